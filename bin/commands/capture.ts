/**
 * `etherloom capture`: records a port or path of a running instance into a file, or to stdout for Wireshark.
 *
 * The instance sends the pcapng to a socket of ours. So whoever ends first, ends the capture and nothing else: it stops
 * when we are gone, however that happened, and we have a whole file when it is.
 */
import { createWriteStream } from 'node:fs'
import { once } from 'node:events'
import { CaptureReader } from '../../lib/capture/capture.js'
import { ControlClient } from '../../lib/control/client.js'
import { EtherloomError } from '../../lib/values/errors.js'
import { printJson } from '../output.js'

interface CaptureFlags {
  write?: string
  snap?: string
  count?: string
  fates?: boolean
  fabric?: string
  name?: string
  json?: boolean
}

export async function capture(what: string, options: CaptureFlags): Promise<number> {
  const { write = '-', fabric, name, json, fates = false } = options
  if (write === '-' && (process.stdout.isTTY || json))
    throw new EtherloomError('ERR_ETHERLOOM_OPTION', 'a capture is not text', {
      hint: 'write it to a file with -w FILE, or pipe it: etherloom capture PORT | wireshark -k -i -',
    })
  const [from = '', to] = what.split('>')
  const limits = {
    snapLength: wholeNumber('--snap', options.snap),
    count: wholeNumber('--count', options.count),
  }
  const instance = await ControlClient.find(name)
  const reader = await CaptureReader.listen()
  try {
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
    const sink = write === '-' ? process.stdout : createWriteStream(write)
    const ended = once(source, 'close')
    let failure: Error | undefined
    sink.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') failure = error
      source.destroy()
    })
    // The instance ends the capture in order, and what is still to be written comes before the end.
    const stop = (): void =>
      void instance.call('endCapture', { capture: number }).catch(() => source.destroy())
    process.on('SIGINT', stop).on('SIGTERM', stop)
    source.pipe(sink, { end: write !== '-' })
    await ended
    if (write !== '-' && !sink.closed && !failure) await once(sink, 'close')
    if (failure)
      throw new EtherloomError('ERR_ETHERLOOM_DEVICE', `cannot write '${write}': ${failure.message}`)
    const stats = await instance.call('endCapture', { capture: number }).catch(() => undefined)
    if (json) printJson(stats ?? null)
    else if (stats) process.stderr.write(`${stats.frames} frames recorded, ${stats.lost} lost\n`)
    return 0
  } finally {
    await reader.close()
    instance.close()
  }
}

function wholeNumber(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  if (/^\d{1,15}$/.test(text)) return Number(text)
  throw new EtherloomError('ERR_ETHERLOOM_OPTION', `${option} must be a whole number, not '${text}'`)
}
