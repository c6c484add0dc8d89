// Runs the tests: `npm run test:all [-- PART...] [--sanitize=LIST]`, after setup.mjs has made the checkout
// ready. A part is `native`, `typecheck` or a folder of test/ with *.test.ts files; without one, all run.
// With --sanitize the native tests, and the addon that the other parts load, are built with those sanitizers
// (address,undefined or thread; thread for `native` only). The last line sums up: "N passed, N failed, N
// skipped".
import { execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'

import { NativeBuild } from './gyp.mjs'
import { Stop, filesUnder, inRoot, main, root } from './tools.mjs'

/** A part that has not ended by then hangs: something keeps its process alive. Sanitizers take their time. */
const hangsAfter = (sanitize) => (sanitize ? 60 : 15) * 60_000

/** One thing that counts as a test by itself. */
const single = (passed, failure) => ({
  passed: Number(passed),
  failed: Number(!passed),
  skipped: 0,
  failures: passed ? [] : [failure],
})

/**
 * Runs a command as a process group of its own, so that one that hangs, or is interrupted, takes its children
 * along. Resolves with whether it exited with 0 and, with `capture`, what it printed (which is shown all the
 * same).
 */
function supervise(command, args, { capture = false, limit = hangsAfter() } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: root,
      detached: true,
      stdio: ['ignore', capture ? 'pipe' : 'inherit', 'inherit'],
    })
    const end = (reason) => {
      console.error(reason)
      process.kill(-child.pid, 'SIGKILL')
    }
    const interrupt = () => {
      end('interrupted')
      process.exit(130)
    }
    const timer = setTimeout(() => end(`still running after ${limit / 60_000} minutes`), limit)
    process.once('SIGINT', interrupt).once('SIGTERM', interrupt)
    let output = ''
    child.stdout?.setEncoding('utf8').on('data', (text) => {
      output += text
      process.stdout.write(text)
    })
    child.once('error', reject)
    child.once('close', (code) => {
      clearTimeout(timer)
      process.off('SIGINT', interrupt).off('SIGTERM', interrupt)
      resolve({ passed: code === 0, output })
    })
  })
}

async function native(build) {
  build.make()
  const { passed, output } = await supervise(build.testBinary, [], { capture: true })
  const summary = /test cases: +\d+ \| +(\d+) passed \| +(\d+) failed \| +(\d+) skipped/.exec(output)
  if (!summary) return single(false, 'ended without a summary')
  const counts = { passed: Number(summary[1]), failed: Number(summary[2]), skipped: Number(summary[3]) }
  // A block for each test that says something; what skips says why.
  const failures = output
    .split(/^=+$/m)
    .flatMap((block) =>
      /: (?:FATAL )?ERROR: /.test(block) ? (/^TEST CASE: +(.*)$/m.exec(block)?.[1] ?? []) : [],
    )
  // A sanitizer's report fails the run although every test passed.
  return passed || counts.failed > 0
    ? { ...counts, failures }
    : {
        ...counts,
        failed: 1,
        failures: ["every test passed, but the run did not end well: a sanitizer's report?"],
      }
}

async function typecheck() {
  const { passed } = await supervise(process.execPath, [
    inRoot('node_modules/typescript/bin/tsc'),
    '--noEmit',
  ])
  return single(passed, 'the types do not hold')
}

/**
 * Makes a Node that can load an addon with sanitizers, though it has none itself: a command `node`, which is absolute.
 * Node leaks at exit, so nobody looks for leaks.
 */
function sanitizedNode(build) {
  const library = (name) => execFileSync('g++', [`-print-file-name=${name}`], { encoding: 'utf8' }).trim()
  const command = inRoot(build.directory, 'node')
  const environment = {
    LD_PRELOAD: [library('libasan.so'), library('libstdc++.so')].join(' '),
    ASAN_OPTIONS: 'detect_leaks=0',
    UBSAN_OPTIONS: 'print_stacktrace=1',
    ETHERLOOM_PREBUILD: inRoot(build.directory),
    ETHERLOOM_SANITIZED_NODE: command,
  }
  const assignments = Object.entries(environment).map(([name, value]) => `export ${name}='${value}'\n`)
  const start = `exec '${process.execPath}' --import='${inRoot('scripts/sanitized.mjs')}' "$@"\n`
  writeFileSync(command, `#!/bin/sh\n${assignments.join('')}${start}`, { mode: 0o755 })
  return command
}

async function mocha(folder, node, sanitize) {
  const scratch = mkdtempSync(path.join(tmpdir(), 'etherloom-counts-'))
  const counts = path.join(scratch, 'counts.json')
  try {
    const words = [
      inRoot('node_modules/mocha/bin/mocha.js'),
      '--forbid-only',
      `--reporter=${inRoot('scripts/mocha-reporter.mjs')}`,
      `--reporter-option=counts=${counts}`,
      `test/${folder}/**/*.test.ts`,
      ...(sanitize ? ['--timeout=60000'] : []), // with sanitizers everything takes five times as long
    ]
    const { passed } = await supervise(node, words, { limit: hangsAfter(sanitize) })
    const result = JSON.parse(readFileSync(counts, 'utf8'))
    return passed || result.failed > 0
      ? result
      : { ...result, failed: 1, failures: ['every test passed, but mocha did not end well'] }
  } catch (error) {
    if (error.code !== 'ENOENT') throw error
    return single(false, 'mocha ended before it could count')
  } finally {
    rmSync(scratch, { recursive: true })
  }
}

/** The cheap ones first, then by name. */
function mochaFolders() {
  const order = ['unit', 'contracts', 'fabric']
  const folders = readdirSync(inRoot('test')).filter(
    (name) =>
      !['runners', 'witness'].includes(name) &&
      filesUnder(`test/${name}`).some((file) => file.endsWith('.test.ts')),
  )
  return [
    ...order.filter((name) => folders.includes(name)),
    ...folders.filter((name) => !order.includes(name)),
  ]
}

await main(async () => {
  const { values, positionals } = parseArgs({
    options: { sanitize: { type: 'string' } },
    allowPositionals: true,
  })
  const sanitize = values.sanitize
  const everything = ['native', 'typecheck', ...mochaFolders()]
  const unknown = positionals.find((part) => !everything.includes(part))
  if (unknown) throw new Stop(`There is no part "${unknown}"; the parts are ${everything.join(', ')}.`)
  const parts = positionals.length > 0 ? positionals : everything

  let node = process.execPath
  if (sanitize && parts.some((part) => part !== 'native' && part !== 'typecheck')) {
    const addon = new NativeBuild({ sanitize })
    addon.make()
    node = sanitizedNode(addon)
  }

  const total = { passed: 0, failed: 0, skipped: 0 }
  const failures = []
  for (const part of parts) {
    console.log(`\n=== ${part}${sanitize ? ` (${sanitize})` : ''} ===\n`)
    const result =
      part === 'native'
        ? await native(new NativeBuild({ tests: true, sanitize }))
        : part === 'typecheck'
          ? await typecheck()
          : await mocha(part, node, sanitize)
    for (const key of Object.keys(total)) total[key] += result[key]
    failures.push(...result.failures.map((failure) => `${part}: ${failure}`))
  }
  // Again, where whoever looks at the end of a long output finds them.
  if (failures.length > 0) console.log(`\nFailed:\n${failures.map((failure) => `- ${failure}\n`).join('')}`)
  console.log(`\n${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`)
  if (total.failed > 0) process.exitCode = 1
})
