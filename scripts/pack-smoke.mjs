// Proves the package as a user meets it: packs it, installs the tarball in an empty folder with an empty
// cache, runs the README's program from there, asks the command line for its version, and checks the types as a strict
// project does. Run by .ci/run.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { Stop, inRoot, main, root, run } from './tools.mjs'

/** The first block of the README that opens with "```js runnable". */
function readmeProgram() {
  const block = /^```js runnable\n(.*?)^```$/ms.exec(readFileSync(inRoot('README.md'), 'utf8'))
  if (!block) throw new Stop('README.md has no block that opens with "```js runnable".')
  return block[1]
}

/** A project that takes nothing of its packages' types on trust. */
function strictProject() {
  const compilerOptions = {
    strict: true,
    exactOptionalPropertyTypes: true,
    skipLibCheck: false,
    noEmit: true,
    target: 'es2023',
    lib: ['es2023', 'esnext.disposable'],
    module: 'nodenext',
    types: ['node'],
    typeRoots: [inRoot('node_modules/@types')],
  }
  return {
    'strict.mts':
      "import * as etherloom from 'etherloom'\nexport const { Hub, TapPort, World, connect } = etherloom\nexport { lab } from 'etherloom/testing'\n",
    'tsconfig.json': JSON.stringify({ compilerOptions, files: ['strict.mts'] }),
  }
}

const scratch = mkdtempSync(path.join(tmpdir(), 'etherloom-pack-'))
try {
  await main(() => {
    const folder = { cwd: scratch, env: { ...process.env, npm_config_cache: path.join(scratch, 'cache') } }
    const program = readmeProgram()
    const packed = execFileSync('npm', ['pack', '--json', '--silent', `--pack-destination=${scratch}`], {
      cwd: root,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const { filename, size, entryCount } = Object.values(JSON.parse(packed))[0]
    console.log(`${filename}: ${entryCount} files, ${Math.round(size / 1024)} KiB`)
    writeFileSync(path.join(scratch, 'package.json'), '{ "private": true }')
    run('npm', ['install', '--no-audit', '--no-fund', `./${filename}`], folder)
    writeFileSync(path.join(scratch, 'program.mjs'), program)
    run('timeout', ['--kill-after=5', '60', process.execPath, 'program.mjs'], folder)
    run('npx', ['--no-install', 'etherloom', '--version'], folder)
    for (const [name, text] of Object.entries(strictProject())) writeFileSync(path.join(scratch, name), text)
    run(process.execPath, [inRoot('node_modules/typescript/bin/tsc'), '--project', scratch], folder)
  })
} finally {
  rmSync(scratch, { recursive: true, force: true })
}
