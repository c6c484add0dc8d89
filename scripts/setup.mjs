// Makes a fresh checkout ready: `node scripts/setup.mjs [--test] [--lint] [--fuzz] [--bench]`, first thing in `npm
// start`, `npm test` and `npm run bench`. Says nothing and takes no time when all is there. Imports only
// node: modules and scripts that do the same, because at the start there is nothing else.
import { accessSync, constants, existsSync, readdirSync } from 'node:fs'
import { homedir } from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'

import { buildLib, libBuild } from './build-lib.mjs'
import { NativeBuild, runGyp } from './gyp.mjs'
import { Stop, inRoot, main, npmPackages, run } from './tools.mjs'

/** Where programs are looked for. Root installs for every user, so what lies in root's own home does not count. */
const folders = [...process.env.PATH.split(':'), '/usr/sbin', '/sbin'].filter(
  (folder) => process.getuid() !== 0 || !`${folder}/`.startsWith(`${homedir()}/`),
)

const command = (name) =>
  folders.some((directory) => {
    try {
      accessSync(path.join(directory, name), constants.X_OK)
      return true
    } catch {
      return false
    }
  })

const header = (name) => existsSync(path.join('/usr/include', name))

/** Looks where distributions put libraries: /usr/lib64, /usr/lib, and one folder per architecture in it. */
const library = (name) =>
  ['/usr/lib64', '/usr/lib', ...readdirSync('/usr/lib').map((folder) => `/usr/lib/${folder}`)].some(
    (directory) => existsSync(path.join(directory, name)),
  )

/** Whether a kernel for guests is there; it is started by nobody else. */
const guestKernel = () =>
  existsSync('/boot') && readdirSync('/boot').some((name) => /^vmlinuz-.*-cloud-amd64$/.test(name))

/** Whether clang 14 can link what it compiles with -fsanitize=fuzzer. */
const fuzzerRuntime = () => {
  const folder = '/usr/lib/llvm-14/lib/clang'
  return (
    existsSync(folder) &&
    readdirSync(folder, { recursive: true }).some((name) => /libclang_rt\.fuzzer-[^/]*\.a$/.test(name))
  )
}

/** Debian packages by purpose, each with the test for what it is needed for, whoever installed that. */
const systemPackages = {
  run: [
    ['make', () => command('make')],
    ['g++', () => command('g++')],
    ['python3', () => command('python3')], // node-gyp is written in it
    ['iproute2', () => command('ip')],
    ['iputils-ping', () => command('ping')],
    ['util-linux', () => command('unshare') && command('nsenter')],
    ['libpcap0.8', () => library('libpcap.so.0.8')], // compiles filter expressions
  ],
  test: [
    ['doctest-dev', () => header('doctest/doctest.h')],
    ['libpcap-dev', () => header('pcap/pcap.h')], // the pcap witness is built against it
    ['tcpdump', () => command('tcpdump')],
    ['tshark', () => command('tshark')], // reads what captures write
    ['nftables', () => command('nft')], // the gateway, like the three that follow
    ['dnsmasq-base', () => command('dnsmasq')],
    ['passt', () => command('passt')],
    ['python3-pytest', () => command('pytest-3') || command('pytest')], // the tests of clients/python
    ['simh', () => command('pdp11')], // an old machine with a network card
    ['vpcs', () => command('vpcs')], // a PC of GNS3, which needs a terminal
    ['bsdutils', () => command('script')], // which this gives it
    ['docker.io', () => command('dockerd') && command('docker')], // containers that run already
    ['shellcheck', () => command('shellcheck')], // reads the scripts of clients/action
    ['busybox-static', () => command('busybox')], // its udhcpc is a real DHCP client; what guests run
    ['openssl', () => command('openssl')], // makes a certificate for a WebSocket over TLS
    ['chromium', () => command('chromium')], // opens a page that connects by WebSocket
    // Whole machines, with a kernel and programs for them; x86 only.
    ['qemu-system-x86', () => process.arch !== 'x64' || command('qemu-system-x86_64')],
    ['linux-image-cloud-amd64', () => process.arch !== 'x64' || guestKernel()],
    ['vde2', () => command('vde_plug2tap')], // peers of VDE, with what it depends on: vde_switch, vde_plug, wirefilter
    ['user-mode-linux', () => process.arch !== 'x64' || command('linux.uml')], // the reference kernel; x86 only
  ],
  lint: [
    ['clang-format-14', () => command('clang-format-14')],
    ['clang-tidy-14', () => command('clang-tidy-14')],
  ],
  fuzz: [
    ['clang-14', () => command('clang++-14')],
    // libFuzzer and the sanitizers, which clang-14 does not bring along.
    ['libclang-rt-14-dev', () => fuzzerRuntime()],
  ],
  // What the benchmark compares with. It names and skips what is not there.
  bench: [
    ['nftables', () => command('nft')],
    ['iperf3', () => command('iperf3')],
    ['vde2', () => command('vde_switch')],
    ['vde-wirefilter', () => command('wirefilter')],
    ['qemu-system-x86', () => command('qemu-system-x86_64')],
  ],
}

const { values: wanted } = parseArgs({
  options: {
    test: { type: 'boolean' },
    lint: { type: 'boolean' },
    fuzz: { type: 'boolean' },
    bench: { type: 'boolean' },
  },
})

const canInstall = () => process.getuid() === 0 && command('apt-get')

function missingSystemPackages() {
  return ['run', ...Object.keys(wanted)]
    .filter((purpose) => purpose !== 'bench' || canInstall())
    .flatMap((purpose) => systemPackages[purpose])
    .filter(([, isThere]) => !isThere())
    .map(([name]) => name)
}

function installSystemPackages() {
  const missing = missingSystemPackages()
  const install = ['install', '--yes', '--no-install-recommends', ...missing]
  if (!canInstall()) {
    throw new Stop(`System packages are missing; as root, run: apt-get ${install.join(' ')}`)
  }
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const patience = ['-o', 'DPkg::Lock::Timeout=600']
  run('apt-get', [...patience, 'update'], { quiet: true, env })
  run('apt-get', [...patience, ...install], { quiet: true, env })
}

const native = new NativeBuild()
const packages = npmPackages('.')
const steps = [
  {
    title: 'system packages',
    isDone: () => missingSystemPackages().length === 0,
    perform: installSystemPackages,
  },
  {
    title: 'npm packages',
    isDone: () => packages.product.isCurrent(),
    perform: () => packages.product.make(packages.install),
  },
  {
    title: 'native build',
    isDone: () => native.isCurrent(),
    perform: () => native.make({ quiet: true }),
  },
  {
    title: 'library build',
    isDone: () => libBuild.isCurrent(),
    perform: () => buildLib({ quiet: true }),
  },
]

if (wanted.test) {
  const runners = npmPackages('test/runners')
  steps.push({
    title: 'test runners',
    isDone: () => runners.product.isCurrent(),
    perform: () => runners.product.make(runners.install),
  })
}

// The witnesses are addons that later versions of Node no longer load; the tests that call them are skipped
// there.
if (wanted.test && Number(process.versions.node.split('.')[0]) <= 22) {
  const witnesses = npmPackages('test/witness')
  steps.push({
    title: 'test witnesses',
    isDone: () => witnesses.product.isCurrent(),
    perform: () =>
      witnesses.product.make(() => {
        witnesses.install()
        for (const name of ['pcap', 'raw-socket']) {
          runGyp(['rebuild'], inRoot('test/witness/node_modules', name), { quiet: true })
        }
      }),
  })
}

await main(() => {
  if (process.platform !== 'linux')
    throw new Stop('etherloom moves frames through Linux devices: it needs Linux.')
  if (Number(process.versions.node.split('.')[0]) < 20) {
    throw new Stop(`etherloom needs Node.js 20 or later; this is ${process.version}.`)
  }
  steps.forEach(({ title, isDone, perform }, index) => {
    if (isDone()) return
    const started = Date.now()
    process.stdout.write(`[${index + 1}/${steps.length}] ${title} ... `)
    try {
      perform()
    } catch (error) {
      console.log('failed')
      throw error
    }
    console.log(`ok (${Math.round((Date.now() - started) / 1000)} s)`)
  })
})
