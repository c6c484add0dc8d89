// The least that user space can do in both directions, as limits: one thread of a C program, read() here and write() there.

import { built } from '../build.js'
import type { Peer } from '../case.js'
import { forwarder, placesOf, tapProbe } from './c-loops.js'

/** `block` waits for frames in poll(2), `spin` does not wait, `offload` lets TCP through in pieces of up to 64 KiB. */
export function cJoin(mode: 'block' | 'spin' | 'offload'): Peer {
  const names = {
    block: 'C loop, both ways',
    spin: 'C loop, spinning',
    offload: 'C loop, offloads',
  }
  return forwarder(names[mode], tapProbe, (network) => [built('tap_join'), mode, ...placesOf(network)])
}
