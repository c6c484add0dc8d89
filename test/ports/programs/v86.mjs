// `v86.mjs GUEST NUMBER URL`: boots the machine of v86_guest.c, which is the first or the second, in v86, with its card at a relay.
// What it says on its serial line is printed. Run by test/ports/browsers.test.ts.
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { V86 } from 'v86'
import { WebSocket } from 'ws'

globalThis.WebSocket ??= WebSocket // which Node.js has from 22 on
const [guest, number, url] = process.argv.slice(2)
const mark = 'ROLE-IS:'
const image = new Uint8Array(readFileSync(guest))
image[Buffer.from(image.buffer).indexOf(mark) + mark.length] = Number(number)
const machine = new V86({
  wasm_path: fileURLToPath(new URL('v86.wasm', import.meta.resolve('v86'))),
  memory_size: 16 << 20,
  vga_memory_size: 1 << 20,
  multiboot: { buffer: image.buffer },
  net_device: { type: 'ne2k', relay_url: url },
  autostart: true,
})
machine.add_listener('serial0-output-byte', (byte) => process.stdout.write(String.fromCharCode(byte)))
