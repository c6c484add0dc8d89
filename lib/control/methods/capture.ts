/** Captures that go to a socket of the caller. */
import type { CaptureStats } from '../../capture/capture.js'
import { EtherloomError } from '../../values/errors.js'
import { counter } from '../../values/counter.js'
import { about, flag, integer, required, text } from '../../values/options.js'
import { fields, method } from '../method.js'

export interface CaptureRequest {
  from: string
  to?: string
  fabric?: string
  socket: string
  fates?: boolean
  snapLength?: number
  count?: number
}

/** The numbers of a capture, as they cross. */
type CaptureNumbers = Omit<CaptureStats, 'toJSON'>

const most = Number.MAX_SAFE_INTEGER
const number = about('its number', required(integer(1, most)))

export const capture = method<CaptureRequest, { capture: number }>({
  description:
    'Records a port, or a path when `to` is given, as pcapng into a Unix socket on which the caller listens. The capture ends with that connection, and not with the one to the instance.',
  parameters: {
    from: about('the port, or the port that frames of the path come from', required(text())),
    to: about('the port that frames of the path go to', text()),
    fabric: about('the fabric, where the ports alone do not say which', text()),
    socket: about('the path of the socket', required(text())),
    fates: about('of a path: what becomes of each frame, as comments', flag()),
    snapLength: about('bytes kept of each frame; 0 keeps all', integer(0, 262_144)),
    count: about('ends after so many frames', integer(1, most)),
  },
  result: fields<{ capture: number }>({ capture: number }),
  example: {
    params: { from: 'core.red', to: 'blue', socket: '/tmp/reader.sock', fates: true },
    result: { capture: 1 },
  },
  call: async ({ snapLength, count, fates = false, ...what }, instance) => {
    const { network, captures } = await instance
    const limits = {
      ...(snapLength !== undefined && { snapLength }),
      ...(count !== undefined && { count }),
    }
    return { capture: captures.add(await network.capture({ ...what, fates }, limits)) }
  },
})

export const endCapture = method<{ capture: number }, CaptureNumbers>({
  description: 'Ends a capture, and answers with its last numbers. One that has ended already is no mistake.',
  parameters: { capture: number },
  result: fields<CaptureNumbers>({
    frames: about('frames written', required(counter())),
    bytes: about('bytes of pcapng written', required(counter())),
    lost: about('frames not recorded, because the reader was too slow', required(counter())),
  }),
  example: { params: { capture: 1 }, result: { frames: 3n, bytes: 812n, lost: 0n } },
  call: async ({ capture: number }, instance) => {
    const capture = (await instance).captures.get(number)
    if (!capture) throw new EtherloomError('ERR_ETHERLOOM_NAME', `no capture ${number}`)
    await capture.close()
    return capture.stats()
  },
})
