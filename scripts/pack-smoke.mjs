// Proves the package as a user meets it: packs it, installs the tarball in an empty folder with an empty
// cache, runs the README's program from there, and asks the command line for its version. Run by .ci/run.
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
  })
} finally {
  rmSync(scratch, { recursive: true, force: true })
}
