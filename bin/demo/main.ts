/**
 * `etherloom demo`, and the second half of `npm start`: runs examples/three-hosts.yaml, measures with real programs
 * what its hosts get, and shows it beside what the file asks for. On a terminal it goes on until Ctrl-C; elsewhere
 * each phase runs once, and the exit code says whether all agrees.
 */
import { constants } from 'node:os'
import { printJson } from '../output.js'
import { runRootless } from '../rootless.js'
import { checkMachine, checkUserNamespaces, isPrivileged } from './machine.js'
import { Lab } from './measure.js'
import { makePhases, rowsOf, type Phase, type Row } from './phases.js'
import { nameOf, readScene } from './scene.js'
import { Log, Screen, type View } from './screen.js'

/** Resolves with the exit code: 0 when what was measured agrees with what was asked for. */
export async function runDemo({ json = false }: { json?: boolean }): Promise<number> {
  await checkMachine()
  if (!(await isPrivileged())) {
    await checkUserNamespaces()
    return runRootless()
  }
  const started = performance.now()
  const live = !json && process.stdout.isTTY && process.env.TERM !== 'dumb'
  const lab = await Lab.build()
  const scene = readScene(lab.fabric)
  const phases = makePhases(scene)
  const rows = rowsOf(phases, scene)
  const view = json ? undefined : new (live ? Screen : Log)(scene, rows)

  const signal = await untilSignal(lab, async () => {
    do for (const phase of phases) await run(phase, lab, view)
    while (live)
  }).finally(() => view?.end())

  const agrees = rows.every(({ finding }) => finding?.agrees ?? live)
  if (json) printJson({ agrees, seconds: (performance.now() - started) / 1000, rows: rows.map(plain) })
  if (signal && !live) return 128 + constants.signals[signal]
  return agrees ? 0 : 1
}

/** Does it until it ends or a signal comes, which is returned. Either way nothing is left of the lab. */
async function untilSignal(lab: Lab, action: () => Promise<void>): Promise<NodeJS.Signals | undefined> {
  let received: NodeJS.Signals | undefined
  const stop = (signal: NodeJS.Signals): void => {
    received = signal
    lab.interrupt()
  }
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  for (const signal of signals) process.once(signal, stop)
  try {
    await action()
  } catch (error) {
    if (!received) throw error
  } finally {
    await lab.close()
    for (const signal of signals) process.off(signal, stop)
  }
  return received
}

async function run(phase: Phase, lab: Lab, view?: View): Promise<void> {
  view?.begin(phase)
  const findings = await phase.measure(lab, (soFar) => view?.progress(soFar))
  phase.rows.forEach((row, index) => {
    row.finding = findings[index]
  })
}

/** A row for programs. */
function plain({ relation, what, asked, agreesIf, finding }: Row): object {
  return {
    path: nameOf(relation),
    what,
    asked,
    agreesIf,
    agrees: finding?.agrees ?? false,
    ...finding?.values,
  }
}
