/** Hosts for tests on real kernel stacks: network namespaces, the ports that stand in them, and what runs there. */
import { expect } from 'chai'
import { readdir, readFile, readlink } from 'node:fs/promises'
import {
  Namespace,
  TapPort,
  type Fabric,
  type PacketPortOptions,
  type PasstPortOptions,
  type TapPortOptions,
} from '../../lib/index.js'
import { isTestFrame } from './frames.js'
import { Child, testFile } from './kernel.js'

/** What programs/ping.py counted. */
export interface Pings {
  sent: number
  received: number
  duplicates: number
  /** Milliseconds; null without an answer. */
  shortest: number | null
}

export interface PingOptions {
  /** Seconds to wait for the answers that are missing after the last request. Default 30, which guards against hangs. */
  patience?: number
  /** Bytes of each request behind its ICMP header. Default 56. */
  payload?: number
  /** Requests are not to be fragmented. */
  whole?: boolean
}

/** For `ping`, where no answer is expected: does not wait for a late one. */
export const soon: PingOptions = { patience: 0.5 }

const withoutForwarding = `
  [ $(cat /proc/sys/net/ipv4/ip_forward) = 0 ] || echo 0 > /proc/sys/net/ipv4/ip_forward`

const withoutIPv6 = `
  for each in all default; do
    file=/proc/sys/net/ipv6/conf/$each/disable_ipv6
    if [ -e $file ]; then echo 1 > $file; fi
  done`

/**
 * Pings an address, also a broadcast one, every so many seconds; with `Infinity` when the ping before is answered. Prints
 * `Pings` as JSON.
 */
export function pingCommand(
  address: string,
  count: number,
  interval: number,
  { patience = 30, payload = 56, whole = false }: PingOptions = {},
): string[] {
  const numbers = [count, interval, patience, payload].map(String)
  return [
    'python3',
    '-S',
    testFile('ports/programs/ping.py'),
    address,
    ...numbers,
    ...(whole ? ['whole'] : []),
  ]
}

/** A machine of its own: a namespace with its kernel stack. */
export class Host {
  readonly number: number
  readonly namespace: Namespace
  readonly #programs: Child[] = []

  private constructor(number: number, namespace: Namespace) {
    this.number = number
    this.namespace = namespace
  }

  /**
   * `number`, 1 to 9, makes its addresses. Without IPv6, the default, its kernel sends little by itself: ARP, some seconds
   * after it has spoken with a neighbour. It forwards nothing, whatever the machine does: a new namespace has the machine's
   * settings.
   */
  static async create(number: number, { ipv6 = false } = {}): Promise<Host> {
    const host = new Host(number, await Namespace.create())
    await host.run('sh', '-c', ipv6 ? withoutForwarding : withoutForwarding + withoutIPv6)
    return host
  }

  get name(): string {
    return `host${this.number}`
  }

  get address(): string {
    return `10.0.0.${this.number}`
  }

  get mac(): string {
    return `02:00:00:00:00:0${this.number}`
  }

  /** A port named after the host that is its interface `eth0`, with its addresses. */
  tap(options: TapPortOptions = {}): TapPort {
    const { name, namespace, address, mac } = this
    return new TapPort({ name, interface: 'eth0', namespace, mac, addresses: [`${address}/24`], ...options })
  }

  /** Runs a program here to its end and returns what it printed. */
  run(...command: string[]): Promise<string> {
    return this.start(...command).rest()
  }

  /** Starts a program here that ends with the host at the latest. */
  start(...command: string[]): Child {
    const program = new Child(command, this.namespace.path)
    this.#programs.push(program)
    return program
  }

  /** Starts the command line here, with its control sockets in a folder. */
  etherloom(folder: string, ...words: string[]): Child {
    const program = [process.execPath, '--import=tsx', testFile('../bin/etherloom.ts')]
    return this.start('env', `ETHERLOOM_CONTROL_DIRECTORY=${folder}`, ...program, ...words)
  }

  /** Has `eth0` be given an address by DHCP, and returns what was said of it. */
  lease(): Promise<string> {
    const words = ['-i', 'eth0', '-f', '-q', '-n', '-t', '20', '-s', testFile('ports/programs/udhcpc.sh')]
    return this.run('busybox', 'udhcpc', ...words)
  }

  /** What `ip -json` prints, read. */
  async ip<Answer = unknown>(...command: string[]): Promise<Answer> {
    const text = await this.run('ip', '-json', '-details', '-statistics', ...command)
    return (text === '' ? undefined : JSON.parse(text)) as Answer
  }

  /** One interface, as `ip -json` describes it; undefined when there is none of the name. */
  async link(name = 'eth0'): Promise<Link | undefined> {
    const links = await this.ip<Link[]>('address', 'show')
    return links.find(({ ifname }) => ifname === name)
  }

  /** Pings as `pingCommand` says. */
  async ping(to: Host | string, count: number, interval: number, options?: PingOptions): Promise<Pings> {
    const address = typeof to === 'string' ? to : to.address
    return JSON.parse(await this.run(...pingCommand(address, count, interval, options))) as Pings
  }

  /** The frames that pass the interface, seen and sent without etherloom, through a packet socket. */
  async sniff(interfaceName = 'eth0'): Promise<Sniffer> {
    const sniffer = new Sniffer(this.start('python3', testFile('ports/programs/sniff.py'), interfaceName))
    await sniffer.ready()
    return sniffer
  }

  /** Ends its programs and gives up the namespace. */
  async close(): Promise<void> {
    for (const program of this.#programs) await program.close()
    this.namespace.close()
  }
}

/** What the tests read of an interface in `ip -json -details -statistics address show`. */
export interface Link {
  ifname: string
  address: string
  mtu: number
  flags: string[]
  operstate: string
  promiscuity: number
  linkinfo?: {
    info_kind: string
    info_data?: {
      user?: string
      group?: string
      persist?: boolean
      type?: string
      multi_queue?: boolean
      numqueues?: number
    }
  }
  addr_info: { local: string; prefixlen: number; tentative?: boolean; dadfailed?: boolean }[]
  stats64: { rx: { packets: number }; tx: { packets: number } }
}

export interface Sniffed {
  /** Received by the interface, or sent by its host. */
  direction: 'in' | 'out'
  bytes: Buffer
}

/** A packet socket of another program: an independent witness, and a source of any frame. */
export class Sniffer {
  readonly #program: Child

  constructor(program: Child) {
    this.#program = program
  }

  async ready(): Promise<void> {
    expect(await this.#program.line()).to.equal('ready')
  }

  /** Sends a frame as the interface's host. */
  send(frame: Uint8Array): void {
    this.#program.tell(Buffer.from(frame).toString('hex'))
  }

  /** Stops or ends the program. */
  signal(signal: NodeJS.Signals): void {
    this.#program.signal(signal)
  }

  /** The next frame of any direction. */
  async next(): Promise<Sniffed> {
    const [direction, hex] = (await this.#program.line()).split(' ') as ['in' | 'out', string]
    return { direction, bytes: Buffer.from(hex, 'hex') }
  }

  /** All frames of tests up to and with the first that equals `last`: what kernels send by themselves is passed over. */
  async upTo(last: Uint8Array): Promise<Sniffed[]> {
    return (await this.everythingUpTo(last)).filter(({ bytes }) => isTestFrame(bytes))
  }

  /** All frames up to and with the first that equals `last`. */
  async everythingUpTo(last: Uint8Array): Promise<Sniffed[]> {
    const all: Sniffed[] = []
    do all.push(await this.next())
    while (!all.at(-1)!.bytes.equals(last))
    return all
  }
}

/** Hosts 1 to `count`, each with a TAP on the fabric. `close` is what `closing` gave. */
export async function connect(
  fabric: Fabric,
  close: (host: Host) => Host,
  count: number,
  { ipv6 = false, ...options }: TapPortOptions & { ipv6?: boolean } = {},
): Promise<Host[]> {
  const hosts: Host[] = []
  for (let number = 1; number <= count; number++) {
    const host = close(await Host.create(number, { ipv6 }))
    await fabric.attach(host.tap(options))
    hosts.push(host)
  }
  return hosts
}

/** A cable between two hosts: a pair of veth interfaces, both up. The first host's end has its addresses. */
export async function cable(host: Host, other: Host, otherEnd: string): Promise<void> {
  await host.ip('link', 'add', 'eth0', 'address', host.mac, 'type', 'veth', 'peer', 'name', otherEnd)
  await host.ip('link', 'set', otherEnd, 'netns', other.namespace.path)
  await host.ip('address', 'add', `${host.address}/24`, 'dev', 'eth0')
  await host.ip('link', 'set', 'eth0', 'up')
  await other.ip('link', 'set', otherEnd, 'up')
}

/** A process in a host's namespace. */
export interface HostProcess {
  pid: number
  name: string
  words: string[]
}

/** The processes that run in the host's namespace. */
export async function processesIn(host: Host): Promise<HostProcess[]> {
  const place = await readlink(`/proc/${process.pid}/fd/${host.namespace.held.fd}`)
  const found: HostProcess[] = []
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    if ((await readlink(`/proc/${pid}/ns/net`).catch(() => '')) !== place) continue
    const [name, words] = await Promise.all(
      ['comm', 'cmdline'].map((file) => readFile(`/proc/${pid}/${file}`, 'utf8').catch(() => '')),
    )
    found.push({ pid: Number(pid), name: name!.trim(), words: words!.split('\0') })
  }
  return found
}

/** What programs/hub.ts says when it stands, or cannot. */
export interface HubAnswer {
  namespace?: string
  code?: string
  message?: string
  program: Child
}

/** What programs/hub.ts can be told to have. */
export type HubPart =
  | { tap: TapPortOptions }
  | { packet: PacketPortOptions }
  | { passt: PasstPortOptions }
  | { spawn: string[] }
  | { hook: string }
  | { capture: true }

/** A hub in a process of its own, in a host's namespace, behind the words of `before`. */
export async function startHub(
  ports: readonly HubPart[],
  { before = [], host }: { before?: string[]; host: Host },
): Promise<HubAnswer> {
  const command = [process.execPath, '--import=tsx', testFile('ports/programs/hub.ts'), JSON.stringify(ports)]
  const program = host.start(...before, ...command)
  return { ...(JSON.parse(await program.line()) as HubAnswer), program }
}

/** Sends pseudo-random bytes over TCP; resolves when both ends agree about count and checksum. */
export async function transfer(from: Host, to: Host, bytes: number): Promise<void> {
  const program = testFile('ports/programs/tcp.mjs')
  const receiver = to.start(process.execPath, program, 'receive', to.address)
  expect(await receiver.line()).to.equal('ready')
  const sender = from.start(process.execPath, program, 'send', to.address, `${bytes}`)
  const [sent, received] = await Promise.all([sender.rest(), receiver.rest()])
  expect(JSON.parse(received)).to.deep.equal(JSON.parse(sent)).and.to.include({ bytes })
}
