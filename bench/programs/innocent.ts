// The process that bench/peers/beside-attack.ts measures, built to plain JavaScript: joins two TAPs, the innocent pair, by
// a hub, and beside it, on the same engine, what an attack needs. Until SIGTERM; then it prints the counters of the hub.

import {
  Engine,
  GeneratorPort,
  Hub,
  PatchPort,
  SinkPort,
  SocketPort,
  Switch,
  TapPort,
  type Fabric,
  type Port,
  type TapPortOptions,
} from 'etherloom'
import { configuration, readyUntilStopped, state } from './statement.js'

/** What happens beside the pair. */
export type Attack =
  | { kind: 'none' }
  /** A port sends broadcasts to so many sinks as fast as its worker serves it. */
  | { kind: 'flood'; sinks: number; captured?: boolean }
  /** Two other TAPs are joined, and somebody sends from one. */
  | { kind: 'taps'; taps: TapPortOptions[] }
  /** One or more ports of a hub or switch, at which a peer connects to say what it likes. */
  | { kind: 'stream'; sockets: string[]; fabric: 'hub' | 'switch' }
  /** `flood` to a peer that does not read. */
  | { kind: 'deaf'; socket: string }
  | { kind: 'listen'; socket: string; peers: number }
  | { kind: 'loop' }
  /** A flood to 16 paths that hold frames back for an hour. */
  | { kind: 'delays' }

/** The only argument, as JSON. */
export interface InnocentConfig {
  left: TapPortOptions
  right: TapPortOptions
  attack: Attack
  /** Of two workers the pair has the first; which one the attack comes from, and goes to. Default: one worker for all. */
  workers?: { from: 0 | 1; to: 0 | 1 }
}

const { left, right, attack, workers } = configuration() as InnocentConfig
const engine = new Engine({ workers: workers === undefined ? 1 : 2 })
const load = { 0: 0, 1: 0 }
let spare: Hub | undefined

/** Attaches a port so that a worker has it: it is given to the one that has fewest, so others come before. */
async function attach<Kind extends Port>(fabric: Fabric, port: Kind, worker: 0 | 1 = 0): Promise<Kind> {
  const least = () => (load[0] <= load[1] ? 0 : 1)
  while (workers !== undefined && least() !== worker) {
    spare ??= new Hub({ engine, forwarding: 'deny' })
    await spare.attach(new SinkPort())
    load[least()]++
  }
  load[worker]++
  return fabric.attach(port)
}

/** Sends when all is in place. */
async function flood(fabric: Fabric, sinks: readonly SinkPort[]): Promise<GeneratorPort> {
  const port = await attach(fabric, new GeneratorPort({ length: 60 }), workers?.from)
  for (const sink of sinks) await attach(fabric, sink, workers?.to)
  return port
}
const manySinks = (count: number) => Array.from({ length: count }, () => new SinkPort())

async function begin(): Promise<void> {
  const hub = new Hub({ engine })
  switch (attack.kind) {
    case 'none':
      return
    case 'flood': {
      const sinks = manySinks(attack.sinks)
      const port = await flood(hub, sinks)
      if (attack.captured)
        for (const each of [port, ...sinks, ...ends]) await each.capture('/dev/null', { snapLength: 64 })
      return port.start()
    }
    case 'taps':
      for (const tap of attack.taps) await attach(hub, new TapPort(tap), workers?.from)
      return
    case 'stream': {
      const fabric = attack.fabric === 'hub' ? hub : new Switch({ engine })
      await attach(fabric, new SinkPort(), workers?.to)
      for (const socket of attack.sockets)
        await attach(fabric, new SocketPort({ socket, role: 'listen' }), workers?.from)
      return
    }
    case 'deaf': {
      await attach(hub, new SocketPort({ socket: attack.socket, role: 'listen' }), workers?.to)
      return (await flood(hub, [])).start()
    }
    case 'listen':
      await hub.listen({ socket: attack.socket, peers: attack.peers })
      return
    case 'loop': {
      const [one, other] = [new Switch({ engine }), new Switch({ engine })]
      for (let cable = 0; cable < 2; cable++) {
        const [here, there] = PatchPort.pair()
        await one.attach(here)
        await other.attach(there)
      }
      return (await flood(one, [])).start()
    }
    case 'delays': {
      const sinks = manySinks(16)
      const port = await flood(hub, sinks)
      await hub.apply(sinks.map((to) => ({ from: port, to, policy: { allowed: true, delay: '1h' } })))
      return port.start()
    }
  }
}

const pair = new Hub({ engine })
const ends: TapPort[] = []
try {
  for (const [name, tap] of Object.entries({ left, right }))
    ends.push(await attach(pair, new TapPort({ ...tap, name })))
  await begin()
  await readyUntilStopped()
  state(pair.stats())
} finally {
  await engine.close()
}
