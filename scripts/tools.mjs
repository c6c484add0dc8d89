// What the scripts share: running commands, and knowing whether something built is still current.
// Only node: modules, because setup.mjs needs it before any npm package is there.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

/** The top of the checkout. */
export const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))

export const inRoot = (...parts) => path.join(root, ...parts)

/** Why a script stops, in words for the person who started it: printed without a stack. */
export class Stop extends Error {}

/**
 * Runs a command in the checkout to its end. With `quiet` its output is shown only when it fails.
 * @throws {Stop} when it cannot be started or does not exit with 0
 */
export function run(command, args, { quiet = false, cwd = root, env = process.env } = {}) {
  const { status, signal, error, stdout, stderr } = spawnSync(command, args, {
    cwd,
    env,
    stdio: quiet ? ['ignore', 'pipe', 'pipe'] : 'inherit',
    encoding: 'utf8',
    maxBuffer: Infinity,
  })
  if (status === 0) return
  const end = error?.message ?? (signal ? `ended by ${signal}` : `exit code ${status}`)
  const output = quiet ? `${stdout ?? ''}${stderr ?? ''}` : ''
  throw new Stop(`${output}${[path.basename(command), ...args].join(' ')}: ${end}`)
}

/** Runs a package's program with this Node: `runPackage('typescript/bin/tsc', [...])`. */
export function runPackage(program, args, options) {
  run(process.execPath, [inRoot('node_modules', program), ...args], options)
}

/** The first block of the README that opens with "```js runnable". */
export function readmeProgram() {
  const block = /^```js runnable\n(.*?)^```$/ms.exec(readFileSync(inRoot('README.md'), 'utf8'))
  if (!block) throw new Stop('README.md has no block that opens with "```js runnable".')
  return block[1]
}

/** Calls a script's main function; a Stop ends the process with its message and exit code 1. */
export async function main(body) {
  try {
    await body()
  } catch (error) {
    if (!(error instanceof Stop)) throw error
    console.error(error.message)
    process.exitCode = 1
  }
}

/** Whether this module is the script that was started, not one that another imported. */
export const isMain = (url) =>
  process.argv[1] !== undefined && fileURLToPath(url) === path.resolve(process.argv[1])

/** All files under the given paths (files or folders of the checkout), sorted; missing paths have none. */
export function filesUnder(...paths) {
  return paths
    .flatMap((name) => {
      if (!existsSync(inRoot(name))) return []
      if (!statSync(inRoot(name)).isDirectory()) return [name]
      return readdirSync(inRoot(name), { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => path.relative(root, path.join(entry.parentPath ?? entry.path, entry.name)))
    })
    .sort()
}

/**
 * Something made from files. It is current while its output exists and names and contents of its inputs are
 * those that it was made from: contents, because checkouts and copies give files any time stamp.
 */
export class Product {
  #output
  #stamp
  #inputs
  #variant

  /** Paths are relative to the checkout; `variant` is whatever else the output depends on. */
  constructor({ output, stamp, inputs, variant = '' }) {
    this.#output = output
    this.#stamp = inRoot(stamp)
    this.#inputs = inputs
    this.#variant = variant
  }

  isCurrent() {
    return (
      existsSync(inRoot(this.#output)) &&
      existsSync(this.#stamp) &&
      readFileSync(this.#stamp, 'utf8') === this.#fingerprint()
    )
  }

  /** Calls `build` unless the product is current. Inputs that change during the build count as newer. */
  make(build) {
    if (this.isCurrent()) return
    const fingerprint = this.#fingerprint()
    build()
    mkdirSync(path.dirname(this.#stamp), { recursive: true })
    writeFileSync(this.#stamp, fingerprint)
  }

  #fingerprint() {
    const hash = createHash('sha256').update(this.#variant)
    for (const name of filesUnder(...this.#inputs)) {
      const content = readFileSync(inRoot(name))
      hash.update(`\0${name}\0${content.length}\0`).update(content)
    }
    return hash.digest('hex')
  }
}

/**
 * The npm packages that a folder's lock file names. Install scripts stay off: no package needs its own, and native
 * builds are steps by themselves.
 */
export function npmPackages(folder) {
  const installed = path.join(folder, 'node_modules')
  return {
    product: new Product({
      output: installed,
      stamp: path.join(installed, '.stamp'),
      inputs: [path.join(folder, 'package-lock.json')],
      variant: process.versions.modules,
    }),
    install: () =>
      run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], { quiet: true, cwd: inRoot(folder) }),
  }
}
