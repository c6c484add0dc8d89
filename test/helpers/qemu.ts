/**
 * Whole machines for tests: QEMU with Debian's cloud kernel, or Linux in user mode, and an initramfs made here, of busybox and the
 * modules of a network card. Their console is a shell on standard input and output. QEMU without KVM boots in some seconds.
 */
import { accessSync, constants, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { basename } from 'node:path'
import type { ChildProcess } from 'node:child_process'
import { confine } from '../reference/guest.js'

export const qemu = 'qemu-system-x86_64'
const busybox = '/bin/busybox'

/** The newest cloud kernel that is installed, by its version. */
const kernelVersion = (): string | undefined =>
  (existsSync('/boot') ? readdirSync('/boot') : [])
    .map((name) => /^vmlinuz-(.*-cloud-amd64)$/.exec(name)?.[1])
    .filter((version) => version !== undefined)
    .sort((one, other) => one.localeCompare(other, 'en', { numeric: true }))
    .at(-1)

/** Why no machine can run here; undefined when one can. */
export function lacksQemu(): string | undefined {
  try {
    accessSync(`/usr/bin/${qemu}`, constants.X_OK)
  } catch {
    return 'no QEMU: package qemu-system-x86'
  }
  const lacking = lacksBusybox()
  if (lacking !== undefined) return lacking
  return kernelVersion() === undefined ? 'no kernel for guests: package linux-image-cloud-amd64' : undefined
}

/** Why machines have nothing to run; undefined when they have. */
export function lacksBusybox(): string | undefined {
  const isStatic = existsSync(busybox) && !readFileSync(busybox).includes('/lib64/ld-linux')
  return isStatic ? undefined : 'no busybox without libraries: package busybox-static'
}

/** What virtio-net of QEMU needs, each after what it needs itself. Linux in user mode has its card built in. */
const qemuModules = [
  'drivers/virtio/virtio_ring.ko',
  'drivers/virtio/virtio.ko',
  'drivers/virtio/virtio_pci_legacy_dev.ko',
  'drivers/virtio/virtio_pci_modern_dev.ko',
  'drivers/virtio/virtio_pci.ko',
  'net/core/failover.ko',
  'drivers/net/net_failover.ko',
  'drivers/net/virtio_net.ko',
]

/** The first program. The console's lines are commands; each ends with a line `done STATUS`. */
const init = (modules: readonly string[]): string => `#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sys /sys
/bin/busybox --install -s /bin
stty -echo -onlcr
${modules.map((name) => `insmod /modules/${basename(name)}`).join('\n')}
. /proc/self/environ 2>/dev/null
[ -e /proc/sys/net/ipv6 ] && echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6
ip address add $ADDRESS/24 dev eth0
ip link set eth0 up
echo ready
while read -r line; do
  eval "$line" < /dev/null
  echo "done $?"
done
`

/** Writes the initramfs of all machines of QEMU, or of those in user mode. */
export function writeInitramfs(file: string, modules: readonly string[] = qemuModules): void {
  const folder = `/lib/modules/${kernelVersion()}/kernel`
  writeFileSync(
    file,
    archive([
      ['bin', undefined, 0o40755],
      ['dev', undefined, 0o40755],
      ['modules', undefined, 0o40755],
      ['bin/busybox', readFileSync(busybox), 0o100755],
      ['init', Buffer.from(init(modules)), 0o100755],
      ...modules.map((name): Entry => [
        `modules/${basename(name)}`,
        readFileSync(`${folder}/${name}`),
        0o100644,
      ]),
    ]),
  )
}

/**
 * The words of a machine with an address, 1 to 9, and a network card on the network `net0`. Its kernel is told not to test
 * its timer, which on a busy host can seem dead, and to say only why it panics.
 */
export const qemuWords = (initramfs: string, number: number): string[] => [
  ...['-nodefaults', '-no-user-config', '-display', 'none', '-serial', 'stdio', '-m', '128', '-no-reboot'],
  ...['-kernel', `/boot/vmlinuz-${kernelVersion()}`, '-initrd', initramfs],
  ...['-append', `console=ttyS0 loglevel=1 panic=-1 no_timer_check ADDRESS=10.0.0.${number}`],
  ...['-device', `virtio-net-pci,netdev=net0,mac=02:00:00:00:00:0${number},romfile=`],
]

/** The command of a machine in user mode with an address, 1 to 9, and a network card; its files are in `scratch`. */
export const userModeCommand = (
  initramfs: string,
  scratch: string,
  number: number,
  card: string,
): string[] => [
  ...['env', `TMPDIR=${scratch}`, ...confine, '/usr/bin/linux.uml', 'mem=64M', `initrd=${initramfs}`],
  ...[`uml_dir=${scratch}/`, `umid=guest${number}`, 'con=null', 'con0=fd:0,fd:1', 'loglevel=1', 'panic=-1'],
  ...[`eth0=${card}`, `ADDRESS=10.0.0.${number}`],
]

/** A machine's console. */
export class Console {
  readonly #machine: ChildProcess
  readonly #lines: AsyncIterator<string>
  #complaints = ''

  constructor(machine: ChildProcess) {
    this.#machine = machine
    machine.stderr!.on('data', (text: Buffer) => (this.#complaints += text.toString()))
    this.#lines = createInterface(machine.stdout!)[Symbol.asyncIterator]()
  }

  /** What it prints up to a line that matches; fails when the machine ends before. */
  async until(end: RegExp): Promise<string[]> {
    const lines: string[] = []
    for (;;) {
      const next = (await this.#lines.next()) as IteratorResult<string, undefined>
      if (next.done === true) {
        const { exitCode, signalCode } = this.#machine
        throw new Error(
          `the machine ended, ${exitCode ?? signalCode}: ${this.#complaints}${lines.join('\n')}`,
        )
      }
      lines.push(next.value.trim())
      if (end.test(lines.at(-1)!)) return lines
    }
  }

  /** Runs a command in the machine; what it prints, and its exit code. */
  async run(command: string): Promise<{ text: string; status: number }> {
    this.#machine.stdin!.write(`${command}\n`)
    const lines = await this.until(/^done \d+$/)
    return { status: Number(lines.pop()!.slice(5)), text: lines.join('\n') }
  }
}

type Entry = [name: string, content: Buffer | undefined, mode: number]

/** A cpio archive in the format `newc`, as the kernel unpacks it (Documentation/driver-api/early-userspace/buffer-format.rst). */
function archive(entries: readonly Entry[]): Buffer {
  const padded = (part: Buffer): Buffer => Buffer.concat([part, Buffer.alloc((4 - (part.length % 4)) % 4)])
  const parts = [...entries, ['TRAILER!!!', undefined, 0] as Entry].map(([name, content, mode], index) => {
    const data = content ?? Buffer.alloc(0)
    const fields = [index + 1, mode, 0, 0, 1, 0, data.length, 0, 0, 0, 0, name.length + 1, 0]
    const header = `070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}${name}\0`
    return Buffer.concat([padded(Buffer.from(header)), padded(data)])
  })
  return Buffer.concat(parts)
}
