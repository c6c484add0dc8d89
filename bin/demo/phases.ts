/** The rows of the demo's table, and the phases that fill them. Used by runDemo and by the screen. */
import {
  judgeLoss,
  judgeRate,
  judgeRoundTrips,
  judgeSilence,
  judgeTransfer,
  lossInterval,
  percent,
  rateInterval,
  rateText,
  roundTripInterval,
  type Finding,
} from './findings.js'
import type { Lab } from './measure.js'
import type { Passed } from './peer.js'
import type { Relation, Scene } from './scene.js'

/** One promise of a path, and what was last found out about it. */
export interface Row {
  relation: Relation
  what: 'RTT' | 'loss' | 'rate' | 'TCP' | 'any'
  asked: string
  agreesIf: string
  finding?: Finding | undefined
}

/** One measurement. */
export interface Phase {
  relation: Relation
  /** What it does, for people. */
  title: string
  rows: Row[]
  /** One finding for each row. */
  measure: (lab: Lab, progress: (soFar: string) => void) => Promise<Finding[]>
}

const silencePings = 20
const silenceInterval = 0.05 // seconds
const overload = 1.5

/** In the order in which they run: a path rests while another one is measured. */
export function makePhases({ near, far, apart }: Scene): Phase[] {
  return [
    silence(apart),
    pings(near, 50, 0.01),
    pings(far, 600, 0.005),
    transfer(near, 1),
    stream(far, 3),
    transfer(far, 1.5),
  ]
}

/** The rows of all phases, path by path. */
export function rowsOf(phases: Phase[], { near, far, apart }: Scene): Row[] {
  const rows = phases.flatMap((phase) => phase.rows)
  return [near, far, apart].flatMap((relation) => rows.filter((row) => row.relation === relation))
}

/** `interval` in seconds. */
function pings(relation: Relation, count: number, interval: number): Phase {
  const { delay, loss } = relation
  const [fewest, most] = lossInterval(relation, count)
  return {
    relation,
    title: `${count} pings, ${interval * 1000} ms apart`,
    rows: [
      {
        relation,
        what: 'RTT',
        asked: `${delay} ms each way`,
        agreesIf: `${roundTripInterval(relation).join('–')} ms`,
      },
      {
        relation,
        what: 'loss',
        asked: loss === 0 ? 'none' : `${percent(loss)} each way`,
        agreesIf: most === 0 ? 'none' : `${fewest}–${most} of ${count}`,
      },
    ],
    async measure(lab, progress) {
      await lab.meet(relation)
      const answers = await lab.ping(relation, count, interval, (answered) =>
        progress(`${answered} answered`),
      )
      return [judgeRoundTrips(relation, answers), judgeLoss(relation, count, answers.length)]
    },
  }
}

function stream(relation: Relation, seconds: number): Phase {
  const offered = relation.rate * overload
  const [lowest, highest] = rateInterval(relation)
  return {
    relation,
    title: `UDP offered at ${rateText(offered)}`,
    rows: [
      {
        relation,
        what: 'rate',
        asked: rateText(relation.rate),
        agreesIf: `${lowest}–${rateText(highest)}`,
      },
    ],
    async measure(lab, progress) {
      const arrived = await lab.udp(relation, offered, seconds, (soFar) => progress(rateText(rateOf(soFar))))
      return [judgeRate(relation, arrived ? rateOf(arrived) : 0)]
    },
  }
}

function transfer(relation: Relation, seconds: number): Phase {
  return {
    relation,
    title: `a TCP transfer of ${seconds} s`,
    rows: [{ relation, what: 'TCP', asked: 'every byte', agreesIf: 'equal checksums' }],
    async measure(lab, progress) {
      const ends = await lab.tcp(relation, seconds, (soFar) => progress(rateText(rateOf(soFar))))
      if (!ends) return [judgeTransfer(0, 0)]
      const { sent, received } = ends
      return [judgeTransfer(sent.bytes, rateOf(received), sent.sha256, received.sha256)]
    },
  }
}

function silence(relation: Relation): Phase {
  const { from, to } = relation
  return {
    relation,
    title: `${2 * silencePings} pings that nobody must hear`,
    rows: [{ relation, what: 'any', asked: 'denied', agreesIf: 'nothing passes' }],
    async measure(lab) {
      const before = lab.frames(relation)
      const [there, back] = await Promise.all([
        lab.ping({ from, to }, silencePings, silenceInterval),
        lab.ping({ from: to, to: from }, silencePings, silenceInterval),
      ])
      const after = lab.frames(relation)
      const answers = there.length + back.length
      return [judgeSilence(answers, after.heard - before.heard, after.passed - before.passed)]
    },
  }
}

/** Mbit/s. */
const rateOf = ({ bytes, seconds }: Passed): number => (seconds > 0 ? (bytes * 8) / seconds / 1e6 : 0)
