/**
 * What a lab leaves of a test that failed: what became of each frame, the topology with its seed, and the line that repeats
 * the run. Called by lab.ts.
 *
 * Theory of operation. It is recorded from the beginning, into a folder for temporary files, since a failure is known
 * only when all is over; of a test that passed the folder goes, of one that failed its files are moved.
 */
import { copyFile, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { stringify } from 'yaml'
import type { Fabric } from '../fabrics/fabric.js'
import type { Network } from '../topology/network.js'
import type { Topology } from '../topology/schema.js'
import type { Outcome } from './runners.js'

/** Where failures are kept, unless the lab or $ETHERLOOM_FAILURES_DIRECTORY says otherwise. */
const usualFolder = 'etherloom-failures'

/** The ports of a fabric of which every pair is recorded; of one with more, the paths that have a policy. */
const mostPorts = 32

/** Bytes of a frame that are kept: all of it. */
const whole = 262_144

/** Letters of the name of a test file that folders begin with: its end. */
const mostOfFile = 40

interface KeepOptions {
  failures: string | undefined
  /** That of the lab. */
  seed: number
  /** That of the labs that have none of their own, where there was such a lab. */
  common: number | undefined
}

export class Evidence {
  readonly #folder: string
  readonly #files: readonly string[]
  readonly #topology: Topology

  private constructor(folder: string, files: readonly string[], topology: Topology) {
    this.#folder = folder
    this.#files = files
    this.#topology = topology
  }

  /** Records what becomes of the frames of a network from now on, until it closes. */
  static async of(network: Network, topology: Topology): Promise<Evidence> {
    const folder = await mkdtemp(path.join(tmpdir(), 'etherloom-lab-'))
    const files: string[] = []
    try {
      for (const [name, fabric] of network.fabrics) {
        const file = `${name}.fates.pcapng`
        if (await record(fabric, path.join(folder, file))) files.push(file)
      }
    } catch (error) {
      await rm(folder, { recursive: true, force: true })
      throw error
    }
    return new Evidence(folder, files, topology)
  }

  /**
   * Moves it to where failures are kept, and says on stderr where, or why it was not kept. The network must be closed.
   */
  async keep(outcome: Outcome, options: KeepOptions): Promise<void> {
    try {
      await this.#keep(outcome, options)
    } catch (error) {
      process.stderr.write(
        `etherloom: '${outcome.name}' failed; what became of its frames could not be kept: ${(error as Error).message}\n`,
      )
    } finally {
      await this.discard()
    }
  }

  async #keep(outcome: Outcome, { failures, seed, common }: KeepOptions): Promise<void> {
    const line = common === undefined ? outcome.command : `ETHERLOOM_SEED=${common} ${outcome.command}`
    const folder = await this.#place(failures, outcome)
    for (const file of this.#files) await copyFile(path.join(this.#folder, file), path.join(folder, file))
    await writeFile(path.join(folder, 'topology.yaml'), stringify({ ...this.#topology, seed }))
    await writeFile(path.join(folder, 'repeat.sh'), `${line}\n`)
    process.stderr.write(
      `etherloom: '${outcome.name}' failed; ${path.relative(process.cwd(), folder) || folder} has what became of its frames. Again:\n  ${line}\n`,
    )
  }

  async discard(): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true })
  }

  /** A folder for this test, and for each further lab of it one more. Those of an earlier run are written over. */
  async #place(own: string | undefined, { file, name }: Outcome): Promise<string> {
    const { ETHERLOOM_FAILURES_DIRECTORY: everyones } = process.env
    const top = path.resolve(own ?? (everyones === undefined || everyones === '' ? usualFolder : everyones))
    const words = file === undefined ? [name] : [path.basename(file).slice(-mostOfFile), name]
    const wanted = path.join(top, words.map(fileName).join('-'))
    let folder = wanted
    for (let number = 2; taken.has(folder); number++) folder = `${wanted}-${number}`
    taken.add(folder)
    await mkdir(folder, { recursive: true })
    for (const file of await readdir(folder)) if (isOurs(file)) await rm(path.join(folder, file))
    return folder
  }
}

/** The folders that labs of this process have. */
const taken = new Set<string>()

const isOurs = (file: string): boolean => file.endsWith('.fates.pcapng')

/** The name of a test as that of a folder, which every file system takes. */
const fileName = (name: string): string =>
  name
    .replace(/[^\p{L}\p{N}._-]+/gu, '-')
    .replace(/^[-.]+|[-.]+$/g, '')
    .slice(0, 60) || 'test'

/** Whether there was a path to record. */
async function record(fabric: Fabric, file: string): Promise<boolean> {
  const ports = [...fabric.ports.values()]
  const ends =
    ports.length <= mostPorts
      ? ports.flatMap((from) => ports.filter((to) => to !== from).map((to) => ({ from, to })))
      : fabric.stats().paths
  const paths = ends.map(({ from, to }) => fabric.path(from, to))
  if (paths.length === 0) return false
  await fabric.record(paths, file, { snapLength: whole }, 'fates')
  return true
}

/** What repeats a run. */
export const repeatedSeed = (): string | undefined => {
  const { ETHERLOOM_SEED: seed } = process.env
  return seed === '' ? undefined : seed
}
