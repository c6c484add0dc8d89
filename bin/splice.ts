/** What `etherloom splice` does: finds both ends of the link, and runs a wire between them. */
import type { ForeignPlace } from '../lib/containers/foreign.js'
import type { Topology, TopologyPolicy } from '../lib/topology/schema.js'
import { EtherloomError } from '../lib/values/errors.js'
import { quote } from '../lib/values/quote.js'
import { onEndSignals, type ExitCode, type Flags } from './command.js'
import { fail } from './output.js'
import { readPolicyWords } from './policy-words.js'
import { seeded } from './seed.js'
import { watch } from './watch.js'

export interface SpliceFlags extends Flags {
  docker?: boolean
  pid?: boolean
  netns?: boolean
  policy?: string
  name?: string
}

/** One end of a link; without a place it is an interface of this machine. */
interface End {
  /** What its port is called. */
  port: string
  place: ForeignPlace | undefined
  interface: string
}

export async function runSplice(words: readonly string[], options: SpliceFlags): Promise<ExitCode> {
  const [one, given] = words.map((word) => readEnd(word, options)) as [End, End?]
  const other = await otherEnd(one, given)
  if (other.port === one.port) other.port = `${other.port}-2`
  for (const end of [one, other]) end.place = await lasting(end.place)
  const policy = options.policy === undefined ? {} : await readPolicy(options.policy)
  const { Instance } = await import('../lib/control/instance.js')
  const { connect } = await import('../lib/control/connect.js')
  const name = options.name ?? `splice-${process.pid}`
  const topology = seeded(topologyOf(one, other, policy))
  const instance = await Instance.start(name, words.join(' '), topology)
  let isShown = (): void => undefined
  const shown = new Promise<void>((resolve) => (isShown = resolve))
  onEndSignals(() => {
    shown.then(() => instance.close()).catch((error: unknown) => (process.exitCode = fail(error, {})))
  })
  try {
    await watch(await connect({ name }), options, isShown)
  } finally {
    await instance.close()
  }
  return 0
}

const topologyOf = (one: End, other: End, policy: TopologyPolicy): Topology => ({
  hosts: Object.fromEntries(
    [one, other].flatMap(({ port, place }) => (place === undefined ? [] : [[port, place]])),
  ),
  fabrics: {
    splice: {
      kind: 'wire',
      ports: Object.fromEntries(
        [one, other].map(({ port, place, interface: name }) => [
          port,
          { splice: place === undefined ? name : `${port}:${name}` },
        ]),
      ),
      paths: [{ between: [one.port, other.port], ...policy }],
    },
  },
})

function readEnd(word: string, { pid, netns }: SpliceFlags): End {
  const colon = word.lastIndexOf(':')
  const [who, name] = [word.slice(0, colon), word.slice(colon + 1)]
  if (colon < 1 || name === '')
    throw refusal(`an end of a link is WHO:INTERFACE, such as 'web:eth0', not ${quote(word)}`)
  const port = who
    .replace(/.*\//s, '')
    .replace(/[^A-Za-z0-9_-]+/g, '-')
    .slice(0, 40)
  if (netns) return { port, place: { netns: who }, interface: name }
  if (!pid) return { port, place: { docker: who }, interface: name }
  if (!/^[1-9]\d{0,9}$/.test(who)) throw refusal(`with --pid an end is NUMBER:INTERFACE, not ${quote(word)}`)
  return { port: `pid-${who}`, place: { pid: Number(who) }, interface: name }
}

/** A policy in words of tc, or as `etherloom path` takes it. */
async function readPolicy(words: string): Promise<TopologyPolicy> {
  const trimmed = words.trim()
  if (/^(?:allowed|denied)$/.test(trimmed)) return readPolicyWords([trimmed])
  // A blank within braces or brackets separates nothing.
  if (trimmed.includes('=')) return readPolicyWords(trimmed.split(/\s+(?![^{[]*[}\]])/))
  return readPolicyWords([`netem=${trimmed}`])
}

/** A container as the process that it is now: when it starts again it has another link, and the splice is over. */
async function lasting(place: ForeignPlace | undefined): Promise<ForeignPlace | undefined> {
  if (place?.docker === undefined) return place
  const { findContainer } = await import('../lib/containers/docker.js')
  return { pid: (await findContainer(place.docker)).pid }
}

/** An interface as ip(8) tells it. */
interface Told {
  ifname: string
  ifindex: number
  link_index?: number
  linkinfo?: { info_kind?: string }
}

/** The other end of the link; the one that is given has to be that. */
async function otherEnd(one: End, given: End | undefined): Promise<End> {
  const told = find(await interfacesOf(one), one)
  const isEndOf = (each: Told): boolean =>
    each.ifindex === told.link_index &&
    each.link_index === told.ifindex &&
    each.linkinfo?.info_kind === 'veth'
  if (given) {
    if (isEndOf(find(await interfacesOf(given), given))) return given
    throw refusal(
      `${inWords(one)} and ${inWords(given)} are not the two ends of one link`,
      'splice each of them with the other end of its own link, as a bridge has it: give one end only',
    )
  }
  const [found] = (await interfacesOf({ ...one, place: undefined })).filter(isEndOf)
  if (found)
    return { port: found.ifname.replace(/[^A-Za-z0-9_-]+/g, '-'), place: undefined, interface: found.ifname }
  throw refusal(
    `the other end of ${inWords(one)} is no interface of this machine`,
    'give it as the second end, WHO:INTERFACE',
  )
}

const inWords = ({ port, place, interface: name }: End): string =>
  quote(place === undefined ? name : `${place.netns ?? place.docker ?? place.pid ?? port}:${name}`)

function find(all: readonly Told[], end: End): Told {
  const found = all.find(({ ifname }) => ifname === end.interface)
  if (found) return found
  const names = all.map(({ ifname }) => ifname).filter((name) => name !== 'lo')
  throw new EtherloomError('ERR_ETHERLOOM_NAME', `there is no ${inWords(end)}`, {
    hint:
      names.length > 0
        ? `there ${names.length > 1 ? 'are' : 'is'} ${names.join(', ')}`
        : 'it has no interface',
  })
}

/** What interfaces there are where an end is. */
async function interfacesOf({ place }: End): Promise<Told[]> {
  const [{ enterForeign }, { runScript }, { requirePrograms }] = await Promise.all([
    import('../lib/containers/places.js'),
    import('../lib/engine/guardian.js'),
    import('../lib/values/programs.js'),
  ])
  await requirePrograms('a splice', ['ip', 'tc', 'nsenter'])
  const namespace = place && (await enterForeign(place, () => undefined, AbortSignal.abort()))
  try {
    return JSON.parse(await runScript('ip -json -details link show', [], namespace?.path)) as Told[]
  } finally {
    namespace?.close()
  }
}

const refusal = (message: string, hint?: string): EtherloomError =>
  new EtherloomError('ERR_ETHERLOOM_OPTION', message, { hint })
