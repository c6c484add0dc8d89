/**
 * What `etherloom doctor` looks at: the kernel, the addon, devices, rights and programs.
 * Called by the command; and by itself, in a user namespace.
 */
import { execFile } from 'node:child_process'
import { open, readFile, stat } from 'node:fs/promises'
import { release } from 'node:os'
import { promisify } from 'node:util'
import { EtherloomError } from '../lib/values/errors.js'
import { findProgram, packages, searchPath, strayFault, tied, type Program } from '../lib/values/programs.js'
import type { ExitCode } from './command.js'
import { lineWidth, printJson, printLine, wrap } from './output.js'

/** `needed`: without it nothing runs; the others only limit what can be done. */
interface Check {
  name: string
  ok: boolean
  needed: boolean
  found: string
  /** What to do about it; empty when there is nothing to do. */
  advice: string
}

const isRoot = (): boolean => process.getuid?.() === 0

/** Those that something of ours needs (docs/reference/privileges.md). */
const capabilities = ['net_admin', 'net_raw', 'sys_admin']

/** Examines the machine and prints what it finds. */
export async function examine(json: boolean, mend: boolean): Promise<ExitCode> {
  const checks = [
    checkKernel(),
    ...(await checkAddon()),
    await checkTun(),
    ...(await checkCapabilities()),
    ...(await checkDevices().catch(() => [])), // without the addon, which has its own line
    await checkUserNamespaces(),
    ...(await checkTools()),
    ...(await checkWaysOut()),
    ...(await checkLeftovers(mend)),
  ]
  for (const check of checks) {
    if (json) printJson(check)
    else printCheck(check)
  }
  return checks.every(({ ok, needed }) => ok || !needed) ? 0 : 1
}

/** How it is stands in front, the rest in lines beside it. */
function printCheck({ name, ok, needed, found, advice }: Check): void {
  const state = ok ? 'ok' : needed ? 'missing' : 'limited'
  const lines = [`${name}: ${found}`, ...(advice === '' ? [] : [advice])]
  lines
    .flatMap((line) => wrap(line, lineWidth() - 9))
    .forEach((line, index) => printLine(`${(index === 0 ? state : '').padEnd(9)}${line}`))
}

function checkKernel(): Check {
  const [major = 0, minor = 0] = release().split('.').map(Number)
  const ok = major > 4 || (major === 4 && minor >= 18)
  return { name: 'kernel', ok, needed: true, found: release(), advice: ok ? '' : 'use Linux 4.18 or later' }
}

/** The addon, what its workers speak to the kernel with, and libpcap, which it loads. */
async function checkAddon(): Promise<Check[]> {
  try {
    const { Engine, compileFilter } = await import('./devices.js')
    const engine = new Engine()
    const { io } = engine
    await engine.close()
    return [
      { name: 'addon', ok: true, needed: true, found: `loads; workers use ${io}`, advice: '' },
      await checkIoUring(() => new Engine({ io: 'io_uring' }).close()),
      checkPcap(() => compileFilter('ip')),
    ]
  } catch (error) {
    const advice = "build it with 'npm rebuild etherloom --foreground-scripts'"
    return [{ name: 'addon', ok: false, needed: true, found: (error as Error).message, advice }]
  }
}

async function checkIoUring(use: () => Promise<void>): Promise<Check> {
  const check = { name: 'io_uring', needed: false }
  try {
    await use()
    return { ...check, ok: true, found: 'works', advice: '' }
  } catch (error) {
    const forbidden =
      (await readFile('/proc/sys/kernel/io_uring_disabled', 'utf8').catch(() => '0')).trim() !== '0'
    const advice = forbidden
      ? "allow it with 'sysctl kernel.io_uring_disabled=0'; epoll works as well, a little slower"
      : 'epoll works as well, a little slower'
    return { ...check, ok: false, found: (error as Error).message, advice }
  }
}

function checkPcap(compile: () => unknown): Check {
  try {
    compile()
    return { name: 'libpcap', ok: true, needed: false, found: 'filter expressions can be used', advice: '' }
  } catch (error) {
    const advice = 'install the package libpcap0.8, or write filters as match objects'
    return { name: 'libpcap', ok: false, needed: false, found: (error as Error).message, advice }
  }
}

async function checkTun(): Promise<Check> {
  const device = '/dev/net/tun'
  const found = await stat(device).catch(() => undefined)
  if (found === undefined)
    return { name: device, ok: false, needed: false, found: 'absent', advice: "load it with 'modprobe tun'" }
  const mode = (found.mode & 0o777).toString(8).padStart(4, '0')
  const ok = await open(device, 'r+').then(
    (handle) => handle.close().then(() => true),
    () => false,
  )
  const advice = ok
    ? ''
    : isRoot()
      ? "give it to the container, as with 'docker run --device=/dev/net/tun'"
      : `let this user open it: 'chmod 0666 ${device}' as root, as most distributions have it`
  return { name: device, ok, needed: false, found: `mode ${mode}, ${ok ? 'opens' : 'closed to us'}`, advice }
}

async function checkCapabilities(): Promise<Check[]> {
  const held = (await (await import('./security.js')).rightsOf(process.pid)).capabilities
  return capabilities.map((capability) => {
    const ok = held.includes(capability)
    const name = `CAP_${capability.toUpperCase()}`
    const asRoot = `this root lacks it: give it to the container, as with 'docker run --cap-add=${name.slice(4)}'`
    const advice = ok ? '' : isRoot() ? asRoot : "run as root, or use 'etherloom up --rootless'"
    return { name, ok, needed: false, found: ok ? 'held' : 'not held', advice }
  })
}

async function checkDevices(): Promise<Check[]> {
  const names = { offloads: 'TAP offloads', ring: 'packet rings' }
  try {
    const { tryDevices } = await import('./devices.js')
    const { superFrames, method } = await tryDevices()
    return [describeOffloads(names.offloads, superFrames), describeRing(names.ring, method)]
  } catch (error) {
    if (!(error instanceof EtherloomError)) throw error
    const found = error.message
    const advice = isRoot()
      ? 'what is missing is said above'
      : "run doctor as root, or under 'unshare --user --map-root-user --net'"
    return Object.values(names).map((name) => ({ name, ok: false, needed: false, found, advice }))
  }
}

function describeOffloads(name: string, protocols: readonly string[]): Check {
  const ok = protocols.length > 0
  const words = protocols.map((protocol) => protocol.toUpperCase())
  const found = ok ? `super-frames of ${words.join(' and ')}` : 'none'
  const advice = protocols.includes('udp')
    ? ''
    : 'Linux 6.2 or later passes super-frames of UDP (USO) whole too'
  return { name, ok, needed: false, found, advice }
}

function describeRing(name: string, method: string | undefined): Check {
  const ok = method === 'ring'
  const advice = ok
    ? ''
    : 'system calls work as well, slower; a ring takes 4 MiB of the kernel per packet port'
  return { name, ok, needed: false, found: ok ? 'work' : 'refused', advice }
}

/** Does in a user namespace what `up --rootless` does there: a host with a TAP and a packet port. */
async function checkUserNamespaces(): Promise<Check> {
  const name = 'user namespaces'
  try {
    const { itself } = await import('./devices.js')
    const tried =
      `import(${JSON.stringify(itself)}).then(({ tryDevices }) => tryDevices())` +
      '.catch(({ message }) => { console.error(message); process.exitCode = 1 })'
    const words = ['--user', '--map-root-user', '--net', '--', process.execPath]
    await promisify(execFile)(...(await tied('unshare', [...words, ...process.execArgv, '--eval', tried])))
    return { name, ok: true, needed: false, found: "allowed: 'up --rootless' works", advice: '' }
  } catch (error) {
    const { stderr = '', message } = error as Error & { stderr?: string }
    const found = `'up --rootless' fails: ${stderr.trim() === '' ? message : stderr.trim()}`
    return { name, ok: false, needed: false, found, advice: await wayToUserNamespaces() }
  }
}

/** How to allow them: what this machine has that can forbid them. */
async function wayToUserNamespaces(): Promise<string> {
  const settings = [
    ['kernel.unprivileged_userns_clone', '1'],
    ['kernel.apparmor_restrict_unprivileged_userns', '0'],
  ] as const
  const wrong = []
  for (const [setting, wanted] of settings) {
    const path = `/proc/sys/${setting.replaceAll('.', '/')}`
    const value = (await readFile(path, 'utf8').catch(() => wanted)).trim()
    if (value !== wanted) wrong.push(`${setting}=${wanted}`)
  }
  if (wrong.length > 0) return `allow them with 'sysctl ${wrong.join(' ')}', as root`
  return 'something forbids them or takes their capabilities away: a container, or a security module such as AppArmor'
}

/** What a gateway needs, and what is possible without it. */
async function checkWaysOut(): Promise<Check[]> {
  const { portKinds } = await import('./devices.js')
  const uses = new Map(
    [...portKinds].flatMap(({ programs = {} }) => Object.entries(programs) as [Program, string][]),
  )
  const installed = await Promise.all(
    [...uses].map(async ([name, use]): Promise<Check> => {
      const found = await findProgram(name)
      const advice = found === undefined ? `install the package ${packages[name]}; ${use}` : ''
      return { name, ok: found !== undefined, needed: false, found: found ?? 'absent', advice }
    }),
  )
  if (installed[0]?.ok !== true) return installed
  return [...installed, await checkNat(searchPath())]
}

/** Tries the table of a gateway in a network namespace that goes with it. */
async function checkNat(path: string): Promise<Check> {
  const name = 'gateways'
  const table =
    'add table ip etherloom { flags owner; }; ' +
    'add chain ip etherloom out { type nat hook postrouting priority srcnat; }; ' +
    'add rule ip etherloom out masquerade'
  const root = isRoot() ? [] : ['--user', '--map-root-user']
  try {
    const command = await tied('unshare', [...root, '--net', 'nft', table])
    await promisify(execFile)(...command, { env: { ...process.env, PATH: path } })
    const found = root.length === 0 ? 'work' : 'work as root'
    return { name, ok: true, needed: false, found, advice: '' }
  } catch (error) {
    const said = (error as Error & { stderr?: string }).stderr?.trim().split('\n')[0]
    const advice =
      'the gateway of a TAP needs nft 1.0, and Linux 5.12 with NAT (modules nft_chain_nat and nft_masq)'
    return { name, ok: false, needed: false, found: said ?? (error as Error).message, advice }
  }
}

/** What killed gateways have left in this network namespace; nothing where that cannot be seen. */
async function checkLeftovers(mending: boolean): Promise<Check[]> {
  if (!isRoot() || (await findProgram('nft')) === undefined) return []
  const { leftovers, mend } = await import('./devices.js')
  const check = { name: 'left of gateways', needed: false }
  try {
    const before = await leftovers()
    if (mending && before.length > 0) await mend()
    const left = mending && before.length > 0 ? await leftovers() : before
    const tables = (names: string[]): string => names.map((name) => `table ip ${name}`).join(', ')
    if (left.length === 0)
      return [
        {
          ...check,
          ok: true,
          found: mending && before.length > 0 ? `undone: ${tables(before)}` : 'nothing',
          advice: '',
        },
      ]
    const advice =
      "a gateway was killed with all that would have undone it; nothing passes: 'etherloom doctor --mend' sets forwarding back, as does the next gateway"
    return [{ ...check, ok: false, found: tables(left), advice }]
  } catch (error) {
    const { stderr = '', message } = error as Error & { stderr?: string }
    return [{ ...check, ok: false, found: stderr.trim() === '' ? message : stderr.trim(), advice: '' }]
  }
}

async function checkTools(): Promise<Check[]> {
  const ok = await promisify(execFile)('nsenter', ['--version']).then(
    () => true,
    () => false,
  )
  const fault = await strayFault()
  return [
    {
      name: 'nsenter',
      ok,
      needed: false,
      found: ok ? 'installed' : 'absent',
      advice: ok ? '' : "install the package util-linux; 'exec' and '--rootless' need it",
    },
    {
      name: 'setpriv',
      ok: fault === undefined,
      needed: false,
      found: fault ?? 'ends what we start with us',
      advice:
        fault === undefined
          ? ''
          : "install the package util-linux; without it programs that we start outlive a 'kill -9', and gateways are refused",
    },
  ]
}
