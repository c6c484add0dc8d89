// Proves the package as a user meets it: packs it, installs the tarball in an empty folder with an empty
// cache, runs the README's program from there, asks the command line for its version, and checks the types as a strict
// project does. Then fresh-root.mjs has the same tarball in an empty system; with --whole all that it can, and the container
// image of image.mjs. Run by .ci/run, with --whole by .ci/release.
import { execFileSync } from 'node:child_process'
import { lstatSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { endable } from './endable.mjs'
import { extents, proveInstallation, strict } from './fresh-root.mjs'
import { proveImage } from './image.mjs'
import { Stop, inRoot, main, readmeProgram, root, run } from './tools.mjs'

/** A project that takes nothing of its packages' types on trust. */
function strictProject() {
  const compilerOptions = { ...strict, module: 'nodenext' }
  return {
    'strict.mts':
      "import * as etherloom from 'etherloom'\nexport const { Hub, TapPort, World, connect } = etherloom\nexport { lab } from 'etherloom/testing'\n",
    'tsconfig.json': JSON.stringify({ compilerOptions, files: ['strict.mts'] }),
  }
}

const sum = (sizes) => sizes.reduce((total, size) => total + size, 0)

function checkSize(what, bytes, limit) {
  console.log(`${what}: ${bytes} bytes of at most ${limit}`)
  if (bytes > limit) throw new Stop(`${what} has ${bytes} bytes, more than ${limit}.`)
}

await endable()
const scratch = mkdtempSync(path.join(tmpdir(), 'etherloom-pack-'))
const modules = path.join(scratch, 'node_modules')
try {
  await main(async () => {
    const folder = { cwd: scratch, env: { ...process.env, npm_config_cache: path.join(scratch, 'cache') } }
    const program = readmeProgram()
    const packed = execFileSync('npm', ['pack', '--json', '--silent', `--pack-destination=${scratch}`], {
      cwd: root,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const { filename, size, entryCount, files } = Object.values(JSON.parse(packed))[0]
    console.log(`${filename}: ${entryCount} files, ${Math.round(size / 1024)} KiB`)
    const unpacked = files.filter(({ path: name }) => !name.startsWith('prebuilds/'))
    checkSize('the package without its addons', sum(unpacked.map((file) => file.size)), 2_750_000)
    writeFileSync(path.join(scratch, 'package.json'), '{ "private": true }')
    run('npm', ['install', '--no-audit', '--no-fund', `./${filename}`], folder)
    const installed = readdirSync(modules, { recursive: true })
      .filter((name) => !/^(\.package-lock\.json$|\.bin|etherloom)(\/|$)/.test(name))
      .map((name) => lstatSync(path.join(modules, name)))
    checkSize(
      'what it depends on',
      sum(installed.filter((each) => each.isFile()).map((each) => each.size)),
      2_000_000,
    )
    writeFileSync(path.join(scratch, 'program.mjs'), program)
    run('timeout', ['--kill-after=5', '60', process.execPath, 'program.mjs'], folder)
    run('npx', ['--no-install', 'etherloom', '--version'], folder)
    for (const [name, text] of Object.entries(strictProject())) writeFileSync(path.join(scratch, name), text)
    run(process.execPath, [inRoot('node_modules/typescript/bin/tsc'), '--project', scratch], folder)
    const extent = process.argv.includes('--whole') ? extents.whole : extents.quick
    proveInstallation(path.join(scratch, filename), extent)
    if (extent === extents.whole) await proveImage(path.join(scratch, filename))
  })
} finally {
  rmSync(scratch, { recursive: true, force: true })
}
