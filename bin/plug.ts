/**
 * What `etherloom plug` does: a wire between a VdePort and the stream of standard input and output, in the framing of VDE. The
 * stream's bytes go through a pair of sockets, so that frames are cut and joined by the native half. Ends with its input.
 */
import { closeSync } from 'node:fs'
import { Socket } from 'node:net'
import { pipeline } from 'node:stream/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { native } from '../lib/binding.js'
import { Wire } from '../lib/fabrics/wire.js'
import { SocketPort } from '../lib/ports/socket.js'
import { sockets } from '../lib/ports/sockets.js'
import { VdePort } from '../lib/ports/vde.js'
import { EtherloomError } from '../lib/values/errors.js'
import { onEndSignals, scalar, type ExitCode } from './command.js'
import { remark } from './output.js'

export async function runPlug(folder: string, port: string | undefined): Promise<ExitCode> {
  if (process.stdout.isTTY || process.stdin.isTTY)
    throw new EtherloomError('ERR_ETHERLOOM_OPTION', 'frames are not text', {
      hint: 'use it in a pipe: dpipe vde_plug FOLDER = etherloom plug OTHER',
    })
  const number = port === undefined ? {} : { port: scalar(port) as number }
  const uplink = new VdePort({ vde: folder, name: 'switch', ...number })
  const wire = new Wire({ engine: { memory: '8MiB' } })
  const [ours, theirs] = native(() => sockets.socketPair('stream'))
  const stream = new Socket({ fd: ours, readable: true, writable: true })
  try {
    const pipe = await wire.attach(new SocketPort({ fd: theirs, framing: 'vde', name: 'pipe' }))
    uplink.on('down', (error) => {
      remark(error.message)
    })
    await wire.attach(uplink)
    onEndSignals(() => stream.destroy())
    const broken = new Promise<EtherloomError>((resolve) => pipe.once('down', resolve))
    // The last frames are in the socket when the input ends; the port goes down when it has read them.
    const input = pipeline(process.stdin, stream, { end: true }).then(() =>
      Promise.race([broken, sleep(1000)]),
    )
    const ended = await Promise.race([
      input.catch(() => undefined),
      pipeline(stream, process.stdout, { end: false }).catch(() => undefined), // its reader has gone
      broken,
    ])
    if (ended instanceof EtherloomError && process.stdin.readable && !stream.destroyed) throw ended
    return 0
  } finally {
    stream.destroy()
    closeSync(theirs)
    await wire.close()
    process.stdin.destroy()
  }
}
