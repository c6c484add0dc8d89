/**
 * Labs: a topology in a test, which closes by itself when the test has ended, and keeps what it saw when that has failed.
 * Called by users of `etherloom/testing`.
 */
import { randomBytes } from 'node:crypto'
import { setImmediate as otherWork } from 'node:timers/promises'
import type { Engine, EngineOptions } from '../engine/engine.js'
import type { Path } from '../fabrics/path.js'
import { portKindOf } from '../ports/index.js'
import { MemoryPort, type MemoryPortOptions } from '../ports/memory.js'
import { loadTopology } from '../topology/load.js'
import { checkedPlan, Network } from '../topology/network.js'
import type { Topology, TopologyFabric, TopologyPort, TopologyWorld } from '../topology/schema.js'
import { EtherloomError } from '../values/errors.js'
import { about, oneOf, optionsReader, refuse, seed, text, type RulesOf, single } from '../values/options.js'
import type { Duration } from '../values/units.js'
import { Evidence, repeatedSeed } from './evidence.js'
import { LabPort } from './lab-port.js'
import { whenTestEnds, type Outcome, type TestHandle } from './runners.js'

/** How a lab keeps time, where its random draws start, and which test it is for. */
export interface LabOptions {
  /**
   * `virtual`, the default: time moves only by `advance` and by awaiting frames, and all is exact. What leads outside is
   * replaced then (see `lab`). `real`: the topology as it is written, with the privileges that its ports need.
   */
  clock?: EngineOptions['clock']
  /**
   * Where all random draws start, 0 to 2^53 - 1. Default: what the topology says; else $ETHERLOOM_SEED, with which a failure
   * is repeated; else a random one, the same for all labs of the process.
   */
  seed?: number
  /** The folder in which failures are kept. Default $ETHERLOOM_FAILURES_DIRECTORY, else `etherloom-failures`. */
  failures?: string
  /**
   * The test that the lab is for: its context in node:test or vitest, `this` in mocha. Default: the one that is running.
   * false: none, the lab is closed by who made it, and keeps nothing.
   */
  test?: TestHandle | false
}

/** The largest seed that a topology file can state. */
const mostSeed = Number.MAX_SAFE_INTEGER

const labRules = {
  clock: about(
    "How time passes. 'virtual': it moves by 'advance' and by awaiting frames, and what leads outside is replaced. 'real': as written.",
    oneOf(['real', 'virtual'], 'virtual'),
  ),
  seed: about(
    'Seed of all random draws, up to 2^53 - 1. Default: that of the topology, $ETHERLOOM_SEED, or a new one.',
    seed(),
  ),
  failures: about(
    'Folder in which failures are kept. Default: $ETHERLOOM_FAILURES_DIRECTORY, or etherloom-failures.',
    text({ max: 4096, pattern: /^[^\0]+$/, expects: 'the name of a folder' }),
  ),
  test: about(
    'Context of the test, where it is not found out; false: the lab is closed by who made it.',
    single<TestHandle | false>("a test's context, or false", {}, (value) =>
      value === false || (typeof value === 'object' && value !== null)
        ? (value as TestHandle | false)
        : undefined,
    ),
  ),
} satisfies RulesOf<LabOptions>

const readLabOptions = optionsReader('lab', labRules)

/**
 * Brings a topology up in this process: the name of a file, or the same as an object. It closes when the running test has
 * ended: within `before` of mocha, when the last test of the outermost block has; within `beforeAll` of jest, of the file.
 * For node:test's `before` and vitest's `beforeAll` say `test: false`, and close it in `after`. When the test failed, what
 * became of each frame, the topology with its seed and the line that repeats the run stay in
 * `etherloom-failures/FILE-NAME-OF-TEST/`.
 *
 * On the virtual clock, which is the default, it needs no privilege: every port that leads outside becomes a port of this
 * program with the same name; hosts, `listen` and hooks of worlds are left out. Filters, impairments, timelines, patches
 * and worlds are as they are written.
 *
 * @example
 * import { lab, numberedFrame } from 'etherloom/testing'
 * const net = await lab('two-hosts.yaml', { seed: 7 })
 * net.port('red').send(numberedFrame(1))
 * const { at } = await net.port('green').next()
 * @throws EtherloomError ERR_ETHERLOOM_OPTION, ERR_ETHERLOOM_UNKNOWN_OPTION; ERR_ETHERLOOM_STATE where no running test is
 *   found; what `loadTopology` and `Network.up` throw, when nothing of it is left
 */
export async function lab(topology: string | Topology, options: LabOptions = {}): Promise<Lab> {
  const { clock, failures, test, seed: wanted } = readLabOptions(options)
  if (wanted !== undefined && wanted > BigInt(mostSeed))
    refuse("option 'seed' of lab", `from 0 to ${mostSeed}`, wanted)
  const starting = Lab.start(topology, { clock, failures, seed: wanted, records: test !== false })
  starting.catch(() => undefined) // thrown below; the end of the test waits for it, too
  const finish = async (outcome?: Outcome): Promise<void> => {
    const made = await starting.catch(() => undefined)
    await made?.finish(outcome)
  }
  if (test !== false)
    await whenTestEnds(finish, test).catch(async (error: unknown) => {
      await finish()
      throw error
    })
  return starting
}

interface StartOptions {
  clock: 'real' | 'virtual'
  failures: string | undefined
  seed: bigint | undefined
  /** Whether a test will say if it failed. */
  records: boolean
}

/** A topology that runs for a test. Made by `lab`. */
export class Lab implements AsyncDisposable {
  /** The whole of it, for what is not here. */
  readonly network: Network
  /** Where its random draws start. */
  readonly seed: number
  readonly #evidence: Evidence | undefined
  readonly #failures: string | undefined
  readonly #ports = new Map<MemoryPort, LabPort>()
  #closing: Promise<void> | undefined

  private constructor(
    network: Network,
    seed: number,
    evidence: Evidence | undefined,
    failures: string | undefined,
  ) {
    this.network = network
    this.seed = seed
    this.#evidence = evidence
    this.#failures = failures
  }

  /** @internal */
  static async start(
    given: string | Topology,
    { clock, failures, seed, records }: StartOptions,
  ): Promise<Lab> {
    const asked = typeof given === 'string' ? await loadTopology(given) : given
    await checkedPlan(asked) // before ports are replaced, so that their mistakes are found
    const drawn = seed === undefined ? (asked.seed ?? commonSeed()) : Number(seed)
    const topology = { ...(clock === 'virtual' ? inProcess(asked) : asked), seed: drawn }
    const network = await Network.up(topology, { clock })
    try {
      const evidence = records ? await Evidence.of(network, topology) : undefined
      return new Lab(network, drawn, evidence, failures)
    } catch (error) {
      await network.close()
      throw error
    }
  }

  /** Its engine, with the clock. */
  get engine(): Engine {
    return this.network.engine
  }

  /**
   * A port of this program, `red` or `core.red`: to send frames from, and with what has reached it.
   *
   * @throws EtherloomError ERR_ETHERLOOM_NAME; ERR_ETHERLOOM_STATE for a port that leads elsewhere
   */
  port(name: string): LabPort {
    const port = this.network.port({ port: name })
    if (!(port instanceof MemoryPort))
      throw new EtherloomError('ERR_ETHERLOOM_STATE', `port '${port.name}' is no port of this program`, {
        hint: "say 'memory: {}' instead of what it leads to in the topology, or use the virtual clock",
      })
    const known = this.#ports.get(port)
    if (known) return known
    const made = new LabPort(
      port,
      () => this.now(),
      (there, deadline) => this.#wait(there, deadline),
    )
    this.#ports.set(port, made)
    return made
  }

  /** The path between two ports, each as for `port`. @throws EtherloomError ERR_ETHERLOOM_NAME */
  path(from: string, to: string): Path {
    return this.network.path({ from, to })
  }

  /** Nanoseconds on its clock; a virtual one begins at 0. */
  now(): bigint {
    return this.engine.now()
  }

  /** Virtual clock: runs everything that is due within this time. @throws EtherloomError as `Engine.advance` */
  advance(duration: Duration): void {
    this.engine.advance(duration)
  }

  /** Ends it before its test ends. Idempotent; what it saw is still kept if the test fails. */
  async close(): Promise<void> {
    this.#closing ??= this.network.close()
    await this.#closing
  }

  /** As `close`, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** @internal Closes it, and keeps what it saw if its test has failed. */
  async finish(outcome?: Outcome): Promise<void> {
    try {
      await this.close()
    } finally {
      if (outcome?.failed)
        await this.#evidence?.keep(outcome, { seed: this.seed, common, failures: this.#failures })
      else await this.#evidence?.discard()
    }
  }

  async #wait(there: () => boolean, deadline: bigint): Promise<void> {
    if (this.engine.clock === 'real') {
      while (!there() && this.now() <= deadline) await new Promise((resolve) => setTimeout(resolve, 1))
      there()
      return
    }
    this.advance('0s') // what was sent is on its way
    const step = (deadline - this.now()) / stepsOfWait + 1n
    for (let steps = 1; !there() && this.now() < deadline; steps++) {
      const left = deadline - this.now()
      this.advance(`${left < step ? left : step}ns` as Duration)
      if (steps % stepsAtOnce === 0) await otherWork()
    }
  }
}

/** A wait on a virtual clock goes in so many steps, after each of which it looks. */
const stepsOfWait = 5000n

/** After so many of them the rest of the process has its turn, such as the runner's own limit of time. */
const stepsAtOnce = 50

/** The seed of the labs of this process that have none of their own: one for all, so that it repeats each test alone. */
let common: number | undefined

function commonSeed(): number {
  const given = repeatedSeed()
  common ??= given === undefined ? randomBytes(6).readUIntBE(0, 6) : readSeed(given)
  return common
}

function readSeed(given: string): number {
  const number = /^\d+$/.test(given) ? Number(given) : NaN
  return number <= mostSeed
    ? number
    : refuse('$ETHERLOOM_SEED', `a whole number from 0 to ${mostSeed}`, given)
}

// ---- Nothing that leads outside ----

/** The topology with ports of this program for those that lead outside. */
function inProcess(topology: Topology): Topology {
  const { hosts: _hosts, ...kept } = topology
  const { fabrics, worlds } = topology
  return {
    ...kept,
    fabrics: mapValues(fabrics, inProcessFabric),
    ...(worlds && { worlds: mapValues(worlds, inProcessWorld) }),
  }
}

const mapValues = <From, To>(
  entries: Record<string, From>,
  change: (value: From) => To,
): Record<string, To> =>
  Object.fromEntries(Object.entries(entries).map(([key, value]) => [key, change(value)]))

function inProcessFabric({ listen: _listen, ...fabric }: TopologyFabric): TopologyFabric {
  return { ...fabric, ports: mapValues(fabric.ports, inProcessPort) }
}

/** The longest that lab ports queue; what is not read within one `advance` must wait. */
const queueLimit = 1_000_000

function inProcessPort(port: TopologyPort): TopologyPort {
  const kind = portKindOf(port)
  if (kind.peer || kind.key === 'memory') return port
  const seat = Object.fromEntries(Object.entries(port).filter(([key]) => !Object.hasOwn(kind.options, key)))
  return { ...seat, memory: asMemory(port) }
}

/** It takes frames as long as the interface did: its MTU, the header and a VLAN tag. */
const asMemory = (port: object): Omit<MemoryPortOptions, 'name'> => ({
  queueLimit,
  ...('mtu' in port && typeof port.mtu === 'number' && { frameLimit: port.mtu + 18 }),
})

function inProcessWorld({ hook: _hook, ...world }: TopologyWorld): TopologyWorld {
  if (!('wires' in world)) return world
  return {
    ...world,
    wires: mapValues(world.wires, (nic) =>
      'memory' in nic ? nic : { memory: asMemory(nic), ...('name' in nic && { name: nic.name }) },
    ),
  }
}
