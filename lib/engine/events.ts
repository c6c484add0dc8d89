/**
 * What fabrics and ports tell their listeners.
 * native/runtime/events.hpp holds the same engine events in the same order; a test compares the two.
 */
import type { EtherloomError } from '../values/errors.js'
import type { Port } from '../ports/port.js'

/** The events that the native half sends. */
export const engineEvents = ['port:down', 'address:moved'] as const

export interface FabricEvents {
  /** A port's device failed or vanished; its policies stay and hold again when it returns. */
  'port:down': [{ port: Port; error: EtherloomError }]
  /** The device of a port that was down works again. */
  'port:up': [{ port: Port }]
  /** The gateway of a TAP has ended by itself, as when its dnsmasq was killed; it is undone, the port goes on. */
  'gateway:down': [{ port: Port; error: EtherloomError }]
  /** A port's carrier was taken away or given back. */
  'port:carrier': [{ port: Port; on: boolean }]
  /** A switch saw a learned address on another port. `vlan` as in `LearnedAddress`. */
  'address:moved': [{ address: string; vlan: number; from: Port | undefined; to: Port | undefined }]
}

export interface PortEvents {
  down: [error: EtherloomError]
  up: []
  /** Of a TAP: its gateway has ended by itself; it is undone, the port goes on. */
  'gateway:down': [error: EtherloomError]
  /** Its carrier was taken away or given back. */
  carrier: [on: boolean]
}
