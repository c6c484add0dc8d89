/**
 * `etherloom capture`: records a port or path of a running instance into a file, or to stdout for Wireshark.
 *
 * The instance sends the pcapng to a socket of ours. So whoever ends first, ends the capture and nothing else: it stops
 * when we are gone, however that happened, and we have a whole file when it is.
 */
import { createWriteStream, statSync } from 'node:fs'
import { once } from 'node:events'
import { finished } from 'node:stream/promises'
import { EtherloomError } from '../../lib/values/errors.js'
import { quote } from '../../lib/values/quote.js'
import {
  action,
  fabricOption,
  instanceCommand,
  onEndSignals,
  withInstance,
  type ExitCode,
  type InstanceFlags,
} from '../command.js'
import { counted, printJson, remark } from '../output.js'

interface CaptureFlags extends InstanceFlags {
  write?: string
  snap?: string
  count?: string
  fates?: boolean
  fabric?: string
}

export const capture = instanceCommand(
  'capture',
  'record a port or path of a running instance as pcapng, until Ctrl-C or the reader goes',
)
  .argument('<what>', "a port, or a path as 'A>B'")
  .option('-w, --write <file>', 'the file; - is stdout', '-')
  .option('--snap <bytes>', 'keep only the first bytes of each frame')
  .option('--count <frames>', 'end after so many frames')
  .option('--fates', 'of a path: what becomes of each frame, as comments')
  .addOption(fabricOption())
  .action(action(record))

async function record(what: string, options: CaptureFlags): Promise<ExitCode> {
  const { write = '-', fabric, json, fates = false } = options
  if (write === '-' && (process.stdout.isTTY || json))
    throw new EtherloomError('ERR_ETHERLOOM_OPTION', 'a capture is not text', {
      hint: 'write it to a file with -w FILE, or pipe it: etherloom capture PORT | wireshark -k -i -',
    })
  const [from = '', to] = what.split('>').map((port) => port.trim())
  const limits = {
    snapLength: wholeNumber('--snap', options.snap),
    count: wholeNumber('--count', options.count),
  }
  const { CaptureReader } = await import('../../lib/control/reader.js')
  const reader = await CaptureReader.listen()
  return withInstance(options, async (instance) => {
    const { capture: number } = await instance.call('capture', {
      from,
      fates,
      socket: reader.path,
      ...(to !== undefined && { to }),
      ...(fabric !== undefined && { fabric }),
      ...(limits.snapLength !== undefined && { snapLength: limits.snapLength }),
      ...(limits.count !== undefined && { count: limits.count }),
    })
    const source = await reader.source
    const replaced = write === '-' ? undefined : statSync(write, { throwIfNoEntry: false })
    if (replaced?.isFile() && replaced.size > 0) remark(`replacing ${write}`)
    const sink = write === '-' ? process.stdout : createWriteStream(write)
    const ended = finished(source, { writable: false }).catch(() => undefined) // whatever ended it
    let failure: Error | undefined
    sink.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE' && write !== '-') failure = error // of stdout outliveReaders tells
      source.destroy()
    })
    // The instance ends the capture in order, and what is still to be written comes before the end.
    onEndSignals(() => void instance.call('endCapture', { capture: number }).catch(() => source.destroy()))
    source.pipe(sink, { end: write !== '-' })
    await ended
    if (write !== '-' && !sink.closed && !failure) await once(sink, 'close')
    if (failure)
      throw new EtherloomError('ERR_ETHERLOOM_DEVICE', `cannot write '${write}': ${failure.message}`)
    const stats = await instance.call('endCapture', { capture: number }).catch(() => undefined)
    if (json) printJson(stats ?? null)
    else if (stats) remark(`${counted(stats.frames, 'frame')} recorded, ${stats.lost} lost`)
    return 0
  }).finally(() => {
    reader.close()
  })
}

function wholeNumber(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  if (/^\d{1,15}$/.test(text)) return Number(text)
  throw new EtherloomError('ERR_ETHERLOOM_OPTION', `${option} must be a whole number, not ${quote(text)}`)
}
