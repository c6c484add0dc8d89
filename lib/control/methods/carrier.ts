/** The carrier of a port. */
import { about, flag, required, text } from '../../values/options.js'
import { method, nothing } from '../method.js'

export interface Carrier {
  port: string
  fabric?: string
  on: boolean
}

export const carrier = method<Carrier, null>({
  description: 'Takes the carrier of a port away, as if its cable were out, or gives it back.',
  parameters: {
    port: about('the port, as `red` or `core.red`', required(text())),
    fabric: about('the fabric, where the port alone does not say which', text()),
    on: about('true gives it back', required(flag())),
  },
  result: nothing,
  example: { params: { port: 'core.red', on: false }, result: null },
  call: async ({ on, ...port }, instance) => {
    await (await instance).network.setCarrier(port, on)
    return null
  },
})
