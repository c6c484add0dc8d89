/** Interfaces and bridges of the kernel, by iproute2, as the console's modules docker, brctl and link ask for it. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { confined, requirePrograms, searchPath, tied } from '../values/programs.js'
import { quote } from '../values/quote.js'
import { Refusal, type Code } from './replies.js'

/** How long a program may take, in milliseconds: the console has nothing to answer meanwhile. */
const patience = 10_000

/** What one of these programs says. @throws Refusal in its words, with the code */
async function say(program: 'ip' | 'bridge', code: Code, words: readonly string[]): Promise<string> {
  const file = (await requirePrograms('this command', [program]))[program]
  const [first, rest] = await asAllowed(file, words)
  try {
    const { stdout } = await promisify(execFile)(first, rest, {
      env: { PATH: searchPath(), LC_ALL: 'C' },
      timeout: patience,
    })
    return stdout
  } catch (error) {
    const { stderr = '', message } = error as { stderr?: string; message: string }
    const said = (stderr.trim() === '' ? message : stderr).trim().split('\n')[0] as string
    throw new Refusal(
      code,
      `${program} ${words.join(' ')}: ${said.replace(/^RTNETLINK answers: |^Error: /, '')}`,
    )
  }
}

/** Root's might is kept from it; rights that another user was given are handed on (ambient ones, capabilities(7)). */
async function asAllowed(file: string, words: readonly string[]): Promise<[string, string[]]> {
  if (process.getuid?.() !== 0) return tied(file, words)
  const [first = file, ...rest] = [...(await confined(['net_admin'])), file, ...words]
  return [first, rest]
}

export async function ip(code: Code, ...words: string[]): Promise<void> {
  await say('ip', code, words)
}

export async function vlan(code: Code, ...words: string[]): Promise<void> {
  await say('bridge', code, ['vlan', ...words])
}

/** What ip says of an interface. */
interface Link {
  ifname?: string
  master?: string
  flags?: readonly string[]
}

/** The interfaces that `words` of ip link show. */
async function linksThat(code: Code, words: readonly string[]): Promise<Link[]> {
  const said = await say('ip', code, ['-json', 'link', 'show', ...words])
  return JSON.parse(said.trim() === '' ? '[]' : said) as Link[]
}

/** Their names. */
const listed = async (code: Code, words: readonly string[]): Promise<string[]> =>
  (await linksThat(code, words)).flatMap(({ ifname }) => (ifname === undefined ? [] : [ifname]))

/** Makes an interface a port of a bridge, and sets it up. The kernel does one after the other; where it refuses, both are as before. */
export async function addToBridge(code: Code, bridge: string, name: string): Promise<void> {
  const [{ master, flags = [] } = {}] = await linksThat(code, ['dev', name])
  const set = ['link', 'set', 'dev', name]
  try {
    await ip(code, ...set, 'master', bridge, 'up')
  } catch (error) {
    const before = [
      ...(master === undefined ? ['nomaster'] : ['master', master]),
      flags.includes('UP') ? 'up' : 'down',
    ]
    await ip(code, ...set, ...before).catch(() => undefined) // the first refusal says why
    throw error
  }
}

/** The kernel deletes an interface of any kind, whatever kind was named. @throws Refusal with the code where it is none of that kind */
export async function insistOnKind(code: Code, name: string, kind: 'bridge' | 'veth'): Promise<void> {
  const found = await listed(code, ['dev', name, 'type', kind])
  if (!found.some((each) => each === name)) throw new Refusal(code, `${quote(name)} is no ${kind}`)
}

/** The bridges of the kernel, and the interfaces that each has. */
export async function kernelBridges(code: Code): Promise<[bridge: string, ports: string[]][]> {
  const bridges = await listed(code, ['type', 'bridge'])
  return Promise.all(
    bridges.map(async (bridge): Promise<[string, string[]]> => [bridge, await portsOf(code, bridge)]),
  )
}

/** @throws Refusal with the code where there is no such bridge */
export const portsOf = (code: Code, bridge: string): Promise<string[]> => listed(code, ['master', bridge])
