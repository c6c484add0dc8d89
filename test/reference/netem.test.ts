/**
 * The same words of tc for the kernel's netem and for a path: the same statistics. The kernel is Linux in user mode,
 * whose draws have no seed; ours are on the virtual clock, with a fixed one. Only what means the same to Linux 6.1, which
 * Debian has in user mode, and to today's: see docs/reference/netem-reference.md, which also says what was measured.
 */
import { expect } from 'chai'
import { describeUnless } from '../helpers/kernel.js'
import { lacksReferenceKernel, measure, type Interval, type Measured, type Task } from './guest.js'
import { replay, type Sent } from './replay.js'
import { allowed, allowedDistance, distance, share } from './statistics.js'

const [us, ms, s] = [1e3, 1e6, 1e9]

/** What decides about frames, without time: sent as fast as it goes. */
const decisions = [
  'loss 10%',
  'loss 10% 25%',
  'loss 30% 50%',
  'loss gemodel 1% 10% 70% 0.1%',
  'loss state 1% 30% 10% 50% 0.2%',
  'duplicate 10%',
  'duplicate 10% loss 20%',
].map((netem): Task => ({ netem: `limit 100000 ${netem}`, count: 100_000 }))

/** What leaves nothing to chance. */
const certain = ['limit 5 delay 1s', 'limit 9 duplicate 100% delay 1s', 'delay 1s reorder 100% gap 3'].map(
  (netem): Task => ({ netem, count: 20, settle: 1200 }),
)

/** What delays frames, each by a draw of its own: wide enough for what the guest's clock is late by not to matter. */
const delays = [
  'delay 300ms 100ms',
  'delay 300ms 100ms distribution normal',
  'delay 300ms 100ms distribution pareto',
  'delay 300ms 100ms distribution paretonormal',
  'delay 50ms 100ms', // a third of them are due before they were sent
].map((netem): Task => ({ netem: `limit 100000 ${netem}`, count: 8000, pace: 100 * us, settle: 400 }))

const overtaking: Task = { netem: 'limit 100000 delay 20ms 500us', count: 6000, pace: 500 * us, settle: 200 }

/** What comes out at a rate. A long first frame, which takes 200 ms, keeps the line busy while the others are sent. */
const rates = ['rate 1mbit', 'rate 1mbit 26 48 5', 'delay 100ms rate 1mbit -14'].map((netem): Task => ({
  netem: `limit 100000 ${netem}`,
  count: 600,
  length: 125,
  first: 25_000,
  settle: 400,
}))

const gaps: Task = { netem: 'limit 100000 delay 1s reorder 25% gap 5', count: 40_000, settle: 1200 }

/** The share of delayed frames that may be later than the slack. */
const beyondSlack = 0.02

/** Shows how well the guest keeps time. */
const timer: Task = { netem: 'limit 100000 delay 100ms', count: 2000, pace: 500 * us, settle: 200 }

const tasks = [...decisions, ...certain, ...delays, overtaking, ...rates, gaps, timer]

describeUnless(lacksReferenceKernel(), "a path with tc's words and the kernel with the same", function () {
  this.timeout(300_000)
  let measured: Map<Task, Measured>
  const kernelOf = (task: Task) => measured.get(task)!
  /** Nanoseconds that most frames at most are late by although the guest ran: timers of a busy host are late, too. */
  let slack: number

  before(async () => {
    const results = await measure(tasks)
    measured = new Map(tasks.map((task, index) => [task, results[index]!]))
    const { sent, arrived } = kernelOf(timer)
    const late = arrived.map(({ tag, time }) => time.from - (sent[tag]!.to + 100 * ms)).sort((a, b) => a - b)
    slack = Math.max(0, late[Math.floor(0.99 * late.length)]!) + 1 * ms
  })

  for (const task of decisions)
    it(`${task.netem}: as many lost and doubled, in as long runs`, async () => {
      const [count, ourCount] = [task.count, 300_000]
      const kernel = copiesOf(kernelOf(task).arrived, count)
      const ours = copiesOf(await replay(task.netem, all(ourCount)), ourCount)
      const lost = (copies: Uint8Array, index: number) => copies[index] === 0
      const features: Record<string, (copies: Uint8Array, index: number) => boolean> = {
        lost,
        'lost, and the next one, too': (copies, index) => lost(copies, index) && lost(copies, index + 1),
        'lost, and the next but one, too': (copies, index) => lost(copies, index) && lost(copies, index + 2),
        doubled: (copies, index) => copies[index] === 2,
        'doubled, and the next one lost': (copies, index) => copies[index] === 2 && lost(copies, index + 1),
      }
      for (const [what, holds] of Object.entries(features))
        expectSameShare(
          what,
          [count, (index) => holds(kernel, index)],
          [ourCount, (index) => holds(ours, index)],
        )
      expect(Math.max(...kernel), 'copies from the kernel').to.equal(task.netem.includes('duplicate') ? 2 : 1)
      expect(
        ours.reduce((most, copies) => Math.max(most, copies)),
        'copies from us',
      ).to.equal(Math.max(...kernel))
    })

  for (const task of certain)
    it(`${task.netem}: the very same frames, in the same order`, async () => {
      const frames = all(task.count, (index) => index) // one after the other, as the kernel's
      expect(tagsOf(kernelOf(task).arrived)).to.deep.equal(tagsOf(await replay(task.netem, frames)))
    })

  for (const task of delays)
    it(`${task.netem}: the same distribution of delays`, async () => {
      const { sent, arrived } = kernelOf(task)
      const kernel = arrived.map(({ tag, time }) => elapsed(sent[tag]!, time, slack))
      const frames = all(100_000, (index) => Math.floor(index / 1000) * s) // 1000 at a time, each on its way alone
      const ours = (await replay(task.netem, frames)).map(({ tag, at }) => at - frames[tag]!.at)
      expect([kernel.length, ours.length], 'frames').to.deep.equal([task.count, frames.length])
      expect(distance(ours, kernel)).to.be.below(allowedDistance(ours.length, kernel.length) + beyondSlack)
    })

  it(`${overtaking.netem}, a frame each 500 us: as many overtake the one ahead`, async () => {
    const { sent, arrived } = kernelOf(overtaking)
    const frames = sent.map(({ from, to }) => ({ at: Math.round((from + to) / 2) })) // its very intervals
    const ours = await replay(overtaking.netem, frames)
    const [place, ourPlace] = [placesOf(arrived), placesOf(ours)]
    expectSameShare(
      'overtaken by the next',
      [place.length - 1, (index) => place[index]! > place[index + 1]!],
      [ourPlace.length - 1, (index) => ourPlace[index]! > ourPlace[index + 1]!],
    )
  })

  for (const task of rates)
    it(`${task.netem}: every frame of a burst leaves when it does here`, async () => {
      const { sent, arrived } = kernelOf(task)
      const inTime = countWithin(sent, 200 * ms)
      const frames = sent.map(({ from }, tag) => ({
        at: from,
        length: (tag === 0 ? task.first : task.length)!,
      }))
      const ours = await replay(task.netem, frames)
      expect(tagsOf(arrived)).to.deep.equal(tagsOf(ours))
      const uncertain = sent[0]!.to - sent[0]!.from
      let late = 0
      for (const [index, { tag, time }] of arrived.slice(0, inTime).entries()) {
        const { at } = ours[index]!
        expect(at, `frame ${tag}: the kernel is early`).to.be.at.most(time.to + uncertain)
        late += Number(at < time.from - uncertain - slack)
      }
      expect(late / inTime, 'share of frames for which the kernel is late').to.be.below(0.2)
    })

  it(`${gaps.netem}: the same gaps between frames that go first`, async () => {
    const { sent, arrived } = kernelOf(gaps)
    const inTime = countWithin(sent, 1 * s)
    const place = placesOf(arrived)
    const kernel = place.slice(0, inTime).map((each) => each < place[0]!) // frame 0 never goes first

    const frames = all(200_000, (index) => Math.floor(index / 1000) * 10 * s)
    const ours: boolean[] = []
    for (const { tag, at } of await replay(gaps.netem, frames)) ours[tag] = at === frames[tag]!.at

    for (const first of [kernel, ours]) expect(Math.min(...gapsIn(first)), 'shortest gap').to.equal(5)
    for (const gap of [5, 6, 7, 10]) {
      const ends = (first: boolean[]) => (index: number) =>
        first[index]! && first.lastIndexOf(true, index - 1) === index - gap
      expectSameShare(`gaps of ${gap}`, [kernel.length, ends(kernel)], [ours.length, ends(ours)])
    }
  })
})

/** `count` frames; all at once, unless `at` says when. */
const all = (count: number, at: (index: number) => number = () => 0): Sent[] =>
  Array.from({ length: count }, (_, index) => ({ at: at(index) }))

const tagsOf = (arrived: readonly { tag: number }[]): number[] => arrived.map(({ tag }) => tag)

type Sample = [count: number, holds: (index: number) => boolean]

function expectSameShare(what: string, kernel: Sample, ours: Sample): void {
  const [theirShare, ourShare] = [share(...kernel), share(...ours)]
  expect(ourShare.mean, what).to.be.closeTo(theirShare.mean, allowed(ourShare, theirShare))
}

/** How many copies of each frame arrived. */
function copiesOf(arrived: readonly { tag: number }[], count: number): Uint8Array {
  const copies = new Uint8Array(count)
  for (const { tag } of arrived) copies[tag]!++
  return copies
}

/** At which place each frame arrived. */
function placesOf(arrived: readonly { tag: number }[]): number[] {
  const places: number[] = []
  arrived.forEach(({ tag }, place) => (places[tag] = place))
  return places
}

/** How long a frame was under way. */
const elapsed = (sent: Interval, arrived: Interval, slack: number): Interval => ({
  from: arrived.from - sent.to - slack,
  to: arrived.to - sent.from,
})

/** How many frames were sent before this time had passed. A guest that is held up sends the others too late to count. */
const countWithin = (sent: readonly Interval[], time: number): number =>
  sent.filter(({ to }) => to < sent[0]!.from + time).length

/** The distances between frames that went first. */
function gapsIn(first: readonly boolean[]): number[] {
  const places = first.flatMap((each, index) => (each ? [index] : []))
  return places.slice(1).map((place, index) => place - places[index]!)
}
