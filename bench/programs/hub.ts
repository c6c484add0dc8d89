// The process that bench/peers/etherloom-hub.ts measures, built to plain JavaScript: joins two TAPs by a default-deny
// hub with one allowed path, until SIGTERM, and then prints the hub's counters.

import { once } from 'node:events'
import { Hub, TapPort } from 'etherloom'

/** The only argument, as JSON. */
export interface HubProgramConfig {
  from: { name: string; namespace: string }
  to: { name: string; namespace: string }
}

const config = JSON.parse(process.argv[2] ?? '') as HubProgramConfig
const hub = new Hub({ forwarding: 'deny' })
try {
  const from = await hub.attach(new TapPort({ ...config.from, as: 'from' }))
  const to = await hub.attach(new TapPort({ ...config.to, as: 'to' }))
  await hub.path(from, to).allow()
  const ended = once(process, 'SIGTERM')
  console.log('ready')
  await ended
  const plain = (_key: string, value: unknown) => (typeof value === 'bigint' ? Number(value) : value)
  console.log(JSON.stringify(hub.stats(), plain))
} finally {
  await hub.close()
}
