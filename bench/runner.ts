// Runs a case: in every round each peer once, in turn, in a network of its own.

import type { Case, Peer, Setup } from './case.js'
import { Network } from './network.js'

/** What one peer did in one round. */
export interface Run {
  /** In the order of the measure's figures; NaN where the peer has none. */
  readonly figures: readonly number[]
  /** The peer's own account, if it gives one. */
  readonly statement: unknown
}

export interface PeerResult {
  readonly peer: Peer
  /** Why it did not run; undefined if it did. */
  readonly missing: string | undefined
  /** Why it was given up after it had started; undefined if it was not. */
  readonly failure: string | undefined
  /** One per round, until it was given up. */
  readonly runs: readonly Run[]
}

export interface CaseResult {
  readonly case: Case
  readonly peers: readonly [PeerResult, ...PeerResult[]]
}

/** `progress` is told of every run before it starts. A peer whose run fails is given up; the others go on. */
export async function runCase(
  subject: Case,
  rounds: number,
  setup: Setup,
  progress: (round: number, peer: Peer) => void,
): Promise<CaseResult> {
  const prepare = async (peer: Peer) => ({
    peer,
    missing: (await subject.measure.unavailable?.()) ?? (await peer.unavailable()),
    failure: undefined as string | undefined,
    runs: [] as Run[],
  })
  const [first, ...others] = subject.peers
  const peers = [await prepare(first), ...(await Promise.all(others.map(prepare)))] as const
  for (let round = 1; round <= rounds; round++) {
    for (const entry of peers) {
      if (entry.missing !== undefined || entry.failure !== undefined) continue
      progress(round, entry.peer)
      try {
        entry.runs.push(await runOnce(subject, entry.peer, setup))
      } catch (error) {
        entry.failure = error instanceof Error ? error.message : String(error)
      }
    }
  }
  return { case: subject, peers }
}

async function runOnce({ measure, layout }: Case, peer: Peer, setup: Setup): Promise<Run> {
  const network = await Network.create(layout)
  try {
    const session = await peer.start(network, setup)
    const figures = await measure.sample(network, session, setup)
    return { figures, statement: await session.stop() }
  } catch (error) {
    throw network.failure ?? error // what a dead program caused is not the news
  } finally {
    await network.close()
  }
}
