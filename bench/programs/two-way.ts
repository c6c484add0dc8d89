// The process that bench/peers/etherloom-two-way.ts measures, built to plain JavaScript: joins two TAPs by a default-deny
// hub that allows both paths between them, until SIGTERM, and then prints the hub's counters.

import { Hub, TapPort, type EngineOptions, type PolicyOptions, type TapPortOptions } from 'etherloom'
import { configuration, readyUntilStopped, state } from './statement.js'

/** The only argument, as JSON. */
export interface TwoWayConfig {
  left: TapPortOptions
  right: TapPortOptions
  /** What both paths do. */
  policy?: PolicyOptions
  engine?: EngineOptions
}

const { left, right, policy = {}, engine = {} } = configuration() as TwoWayConfig
const hub = new Hub({ forwarding: 'deny', engine })
try {
  const ends = [new TapPort({ ...left, name: 'left' }), new TapPort({ ...right, name: 'right' })] as const
  await hub.attach(ends[0])
  await hub.attach(ends[1])
  await hub.between(...ends).allow(policy)
  await readyUntilStopped()
  state(hub.stats())
} finally {
  await hub.close()
}
