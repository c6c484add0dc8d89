/** `etherloom carrier`: takes the carrier of a port of a running instance away, or gives it back. */
import { ControlClient } from '../../lib/control/client.js'
import { oneOf, required } from '../../lib/values/options.js'
import { printJson, printLine } from '../output.js'

interface CarrierOptions {
  fabric?: string
  name?: string
  json?: boolean
}

export async function carrier(
  port: string,
  state: string,
  { fabric, name, json }: CarrierOptions,
): Promise<number> {
  const wanted = required(oneOf(['on', 'off']))(state, 'the carrier')
  const instance = await ControlClient.find(name)
  try {
    await instance.call('carrier', { port, on: wanted === 'on', ...(fabric !== undefined && { fabric }) })
    if (json) printJson({ port, carrier: wanted })
    else printLine(`${port}: carrier ${wanted}`)
    return 0
  } finally {
    instance.close()
  }
}
