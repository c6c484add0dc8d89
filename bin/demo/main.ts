/**
 * `etherloom demo`, and the second half of `npm start`: runs examples/three-hosts.yaml, measures with real programs
 * what its hosts get, and shows it beside what the file asks for. Phases alternate, so that each path is otherwise idle.
 */
import { relative } from 'node:path'
import { EtherloomError } from '../../lib/values/errors.js'
import type { Path } from '../../lib/fabrics/path.js'
import { loadTopology } from '../../lib/topology/load.js'
import { Network } from '../../lib/topology/network.js'
import { isOnlyUser } from '../../lib/values/programs.js'
import { parseDuration, parseRate } from '../../lib/values/units.js'
import { onEndSignals } from '../command.js'
import { printJson } from '../output.js'
import { inPackage } from '../package.js'
import { runRootless } from '../rootless.js'
import { endAll, meet, ping, tcpTransfer, udpRate, type Host } from './measure.js'
import { Screen, type Row } from './screen.js'
import { binomialInterval, median } from './statistics.js'

/** How far above the asked-for round trip the median may lie, in milliseconds: what two kernels and ping take. */
const roundTripSlack = 3
const rateTolerance = 0.03
const confidence = 0.999

/** The order of the paths in the table. */
const order = ['red–green', 'green–blue', 'red–blue']

const megabits = (rate: number): string => `${(rate / 1e6).toFixed(rate < 1e8 ? 2 : 0)} Mbit/s`
const milliseconds = (time: number): string => `${time.toFixed(1)} ms`
const percent = (part: number): string => `${(part * 100).toFixed(1)} %`

/** What a path's policy asks for, in the units of the measurements. */
function askedOf({ policy }: Path): { roundTrip: number; loss: number; rate: number } {
  return {
    roundTrip: (2 * Number(parseDuration(policy.delay ?? '0ms'))) / 1e6,
    loss: 1 - (1 - (typeof policy.loss === 'number' ? policy.loss : 0)) ** 2,
    rate: policy.rate === undefined ? Infinity : Number(parseRate(policy.rate)),
  }
}

class Demo {
  readonly #network: Network
  readonly #screen: Screen
  readonly #rows: Row[] = []
  readonly #hosts: { red: Host; green: Host; blue: Host }
  #stopped = false

  constructor(network: Network, screen: Screen) {
    this.#network = network
    this.#screen = screen
    const host = (name: string, address: string): Host => {
      const namespace = network.hosts.get(name)
      if (namespace === undefined)
        throw new EtherloomError('ERR_ETHERLOOM_NAME', `the topology has no host '${name}'`)
      return { name, namespace, address }
    }
    this.#hosts = {
      red: host('red', '10.0.0.1'),
      green: host('green', '10.0.0.2'),
      blue: host('blue', '10.0.0.3'),
    }
  }

  get rows(): readonly Row[] {
    return this.#rows
  }

  get stopped(): boolean {
    return this.#stopped
  }

  get agrees(): boolean {
    return this.#rows.every((row) => row.agrees !== false)
  }

  stop(): void {
    this.#stopped = true
    endAll()
  }

  /** Every phase once. */
  async round(): Promise<void> {
    const { red, green, blue } = this.#hosts
    await this.#phase('who hears whom', () => this.#reachability())
    await this.#phase('round trips red–green, by ping', () => this.#roundTrip(red, green, 150, 0.005))
    await this.#phase('round trips and loss green–blue, by ping', () =>
      this.#roundTrip(green, blue, 600, 0.005),
    )
    await this.#phase('rate green→blue, by UDP at 1.5 times the rate', () => this.#rate(green, blue))
    await this.#phase('a TCP transfer red→green', () => this.#transfer(red, green, 8 << 20))
    await this.#phase('a TCP transfer green→blue', () => this.#transfer(green, blue, 128 << 10))
  }

  async #phase(doing: string, measure: () => Promise<void>): Promise<void> {
    if (this.stopped) return
    this.#screen.draw(this.#rows, `now: ${doing}`)
    await measure()
    this.#screen.draw(this.#rows, `done: ${doing}`)
  }

  #path(from: Host, to: Host): Path {
    const [fabric] = this.#network.fabrics.values()
    if (fabric === undefined) throw new EtherloomError('ERR_ETHERLOOM_NAME', 'the topology has no fabric')
    return fabric.path(from.name, to.name)
  }

  #show(row: Row): void {
    if (this.#stopped) return
    const place = this.#rows.findIndex(({ path, what }) => path === row.path && what === row.what)
    if (place < 0) this.#rows.push(row)
    else this.#rows[place] = row
    this.#rows.sort((a, b) => order.indexOf(a.path) - order.indexOf(b.path))
  }

  async #reachability(): Promise<void> {
    const { red, green, blue } = this.#hosts
    const [near, far, silent] = await Promise.all([
      meet(red, green),
      meet(green, blue),
      ping(red, blue, 3, 0.2),
    ])
    const show = (from: Host, to: Host, asked: string, heard: boolean, agrees: boolean): void => {
      const measured = heard ? 'answers' : 'silent'
      this.#show({ path: `${from.name}–${to.name}`, what: 'reachable', asked, measured, agrees })
    }
    const heard = silent.roundTrips.length > 0
    show(red, blue, 'no', heard, !heard)
    show(red, green, 'yes', near, near)
    show(green, blue, 'yes', far, far)
  }

  async #roundTrip(from: Host, to: Host, count: number, interval: number): Promise<void> {
    const asked = askedOf(this.#path(from, to))
    const { sent, roundTrips } = await ping(from, to, count, interval)
    const path = `${from.name}–${to.name}`
    const middle = median(roundTrips)
    this.#show({
      path,
      what: 'round trip',
      asked: milliseconds(asked.roundTrip),
      measured: Number.isNaN(middle)
        ? 'no answer'
        : `${milliseconds(middle)}, median of ${roundTrips.length}`,
      agrees: middle >= asked.roundTrip && middle <= asked.roundTrip + roundTripSlack,
    })
    const lost = sent - roundTrips.length
    const [least, most] = binomialInterval(sent, asked.loss, confidence)
    this.#show({
      path,
      what: 'loss, both ways',
      asked:
        asked.loss === 0
          ? '0.0 %'
          : `${percent(asked.loss)} (${percent(least / sent)} – ${percent(most / sent)})`,
      measured: `${percent(lost / sent)}, ${lost} of ${sent}`,
      agrees: lost >= least && lost <= most,
    })
  }

  async #rate(from: Host, to: Host): Promise<void> {
    const asked = askedOf(this.#path(from, to)).rate
    const measured = await udpRate(from, to, asked * 1.5, 3)
    this.#show({
      path: `${from.name}–${to.name}`,
      what: 'rate, UDP',
      asked: megabits(asked),
      measured: megabits(measured),
      agrees: Math.abs(measured / asked - 1) <= rateTolerance,
    })
  }

  async #transfer(from: Host, to: Host, bytes: number): Promise<void> {
    const { rate, same } = await tcpTransfer(from, to, bytes)
    this.#show({
      path: `${from.name}–${to.name}`,
      what: `TCP, ${bytes >= 1 << 20 ? `${bytes >> 20} MiB` : `${bytes >> 10} KiB`}`,
      asked: 'every byte',
      measured: `${same ? 'same checksum' : 'CHECKSUM DIFFERS'}, ${megabits(rate)}`,
      agrees: same,
    })
  }
}

/** Resolves with the exit code: 0 when what was measured agrees with what was asked for. */
export async function runDemo({ json = false }: { json?: boolean }): Promise<number> {
  if (process.getuid?.() !== 0) return runRootless()
  const screen = new Screen()
  const file = inPackage('examples/three-hosts.yaml')
  await using network = await Network.up(await loadTopology(file))
  const demo = new Demo(network, screen)

  const interrupt = (): void => {
    if (demo.stopped) process.exit(130)
    demo.stop()
  }
  onEndSignals(interrupt)

  if (!json) screen.start(isOnlyUser() ? 'without privilege, in a user namespace of its own' : 'as root')
  do await demo.round()
  while (screen.live && !json && !demo.stopped)

  const agrees = demo.rows.length > 0 && demo.agrees
  if (json) {
    printJson({ agrees, rows: demo.rows })
  } else {
    const example = relative('', file)
    screen.finish(demo.rows, [
      agrees ? 'What was measured agrees with what was asked for.' : 'Something does not agree: see ✗ above.',
      `Now change ${example}, and run 'npx etherloom up ${example}'.`,
    ])
  }
  return demo.stopped || agrees ? 0 : 1
}
