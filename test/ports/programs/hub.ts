/**
 * A process with a hub: `hub.ts PORTS`, a JSON list of {tap: options}, {packet: options} or {passt: options}; a TAP without a namespace
 * option and a descriptor stands where the process does. Prints one line of JSON, `{ namespace }` (the path of one that
 * it made) or the error `{ code, message }`, and stays.
 */
import {
  EtherloomError,
  Hub,
  Namespace,
  PacketPort,
  PasstPort,
  TapPort,
  type PacketPortOptions,
  type PasstPortOptions,
  type TapPortOptions,
} from '../../../lib/index.js'

const ports = JSON.parse(process.argv[2]!) as (
  { tap: TapPortOptions } | { packet: PacketPortOptions } | { passt: PasstPortOptions }
)[]
try {
  const hub = new Hub()
  for (const each of ports)
    await hub.attach(
      'tap' in each
        ? new TapPort(each.tap)
        : 'packet' in each
          ? new PacketPort(each.packet)
          : new PasstPort(each.passt),
    )
  const { path } = await Namespace.create()
  console.log(JSON.stringify({ namespace: path }))
} catch (error) {
  if (!(error instanceof EtherloomError)) throw error
  console.log(JSON.stringify({ code: error.code, message: error.message }))
}
