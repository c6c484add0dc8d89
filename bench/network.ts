// The two hosts that every case has, a sender and a receiver: network namespaces with interfaces `port0`, `port1` and so
// on, one each unless the case has another layout, which the peer under test makes and joins by whatever it is.
//
// The namespaces have no names: each is held by a sleeping child and vanishes, with all interfaces in it, when the
// child does. IPv6 is off in them and no address is set, so that nothing but the generator sends.

import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { Child, run, type Placement } from './children.js'

/** The first interface of a host. */
export const portName = 'port0'

/** How many interfaces each host has. Where the receiver has none, the sender is the receiver too. */
export interface Layout {
  readonly sender: number
  readonly receiver: number
}

/** An interface of a host. */
export interface HostPort {
  readonly host: Namespace
  readonly name: string
  /** Its Ethernet address: 02:00:00:00:00:01 for the first of the network, and so on. */
  readonly address: string
  /** Its IPv4 address, where the measure asks for one: 10.0.0.1 for the first of the network, and so on. */
  readonly ip: string
}

/** How long a program may take to make its interfaces. */
const deadlineMs = 60_000

const holdNamespace = `
  for conf in all default; do
    file=/proc/sys/net/ipv6/conf/$conf/disable_ipv6
    if [ -e $file ]; then echo 1 > $file; fi
  done
  echo ready
  exec sleep infinity`

/** A network namespace. */
export class Namespace {
  /** What setns(2), and `ip ... netns`, can open while the namespace is held. */
  readonly path: string
  readonly #holder: number

  constructor(holder: number) {
    this.#holder = holder
    this.path = `/proc/${holder}/ns/net`
  }

  /** Runs `ip` with these arguments inside. */
  async ip(...command: string[]): Promise<void> {
    await run(['ip', ...command], { namespace: this.path })
  }

  /** Runs `ip` once with many commands, one a line, without the word `ip`. */
  async ipBatch(commands: readonly string[]): Promise<void> {
    await run(['ip', '-batch', '-'], { namespace: this.path }, commands.join('\n'))
  }

  /** Resolves when an interface of that name is there. */
  async has(name: string): Promise<void> {
    const deadline = performance.now() + deadlineMs
    while (!new RegExp(`^\\s*${name}:`, 'm').test(await this.#devices())) {
      if (performance.now() > deadline) throw new Error(`no interface ${name} was made`)
      await sleep(10)
    }
  }

  /** What the interfaces of a host have counted since they were made, together. */
  async counters(): Promise<Counters> {
    const counters = { received: 0, sent: 0, offered: 0 }
    const lines = (await this.#devices()).split('\n').filter((line) => /^\s*port\d+:/.test(line))
    if (lines.length === 0) throw new Error(`the peer made no interface ${portName}`)
    for (const line of lines) {
      // Received bytes, packets, errs, drop, fifo, frame, compressed, multicast; then sent bytes, packets, errs, drop ...
      const columns = line
        .slice(line.indexOf(':') + 1)
        .trim()
        .split(/\s+/)
        .map(Number)
      const [received = NaN, sent = NaN, refused = NaN] = [columns[1], columns[9], columns[11]]
      counters.received += received
      counters.sent += sent
      counters.offered += sent + refused
    }
    return counters
  }

  /** A line for each interface inside (proc_pid_net(5)). */
  #devices(): Promise<string> {
    return readFile(`/proc/${this.#holder}/net/dev`, 'utf8')
  }
}

/** Frames, over all interfaces of a host. */
export interface Counters {
  /** What the stack has received from them. */
  received: number
  /** What it sent and they took. */
  sent: number
  /** What it sent, whether or not they took it. */
  offered: number
}

/** The hosts of one run, and all programs that it started. */
export class Network {
  static readonly senderAddress = '02:00:00:00:00:01'
  static readonly receiverAddress = '02:00:00:00:00:02'

  readonly sender: Namespace
  readonly receiver: Namespace
  /** The interfaces that the peer makes: those of the sender, then those of the receiver. */
  readonly ports: readonly HostPort[]
  readonly #children: Child[]

  private constructor(holders: [Child, Child], layout: Layout) {
    this.sender = new Namespace(holders[0].pid)
    this.receiver = layout.receiver === 0 ? this.sender : new Namespace(holders[1].pid)
    const named = (host: Namespace, count: number, first: number) =>
      Array.from({ length: count }, (_, index) => ({
        host,
        name: `port${index}`,
        address: addressOf(first + index),
        ip: `10.0.0.${first + index + 1}`,
      }))
    this.ports = [
      ...named(this.sender, layout.sender, 0),
      ...named(this.receiver, layout.receiver, layout.sender),
    ]
    this.#children = holders
  }

  /** Makes both hosts, still without an interface. */
  static async create(layout: Layout = { sender: 1, receiver: 1 }): Promise<Network> {
    return new Network([await holder(), await holder()], layout)
  }

  /** One more namespace, for a peer that needs a place between the hosts. */
  async between(): Promise<Namespace> {
    const child = await holder()
    this.#children.push(child)
    return new Namespace(child.pid)
  }

  /** Starts a program that ends with this network. */
  async start(command: readonly string[], placement: Placement = {}): Promise<Child> {
    const child = await Child.start(command, placement)
    this.#children.push(child)
    return child
  }

  /**
   * Makes every port one end of a veth pair, whose other end, `leg0` for the first port and so on, stays in a namespace
   * between the hosts, and is up.
   */
  async legs(): Promise<{ between: Namespace; names: string[] }> {
    const between = await this.between()
    const names = this.ports.map((_, index) => `leg${index}`)
    await between.ipBatch(
      this.ports.flatMap(({ host, name }, index) => [
        `link add name ${names[index]} type veth peer name ${name} netns ${host.path}`,
        `link set dev ${names[index]} up`,
      ]),
    )
    return { between, names }
  }

  /** Gives every port its address and sets it up, equally for every peer. */
  async up(): Promise<void> {
    for (const host of new Set(this.ports.map((port) => port.host))) {
      const own = this.ports.filter((port) => port.host === host)
      await host.ipBatch(own.map(({ name, address }) => `link set dev ${name} address ${address} up`))
    }
  }

  /** As up(), and gives every port its IPv4 address, for programs that use TCP or UDP. */
  async upWithIp(): Promise<void> {
    await this.up()
    await Promise.all(
      this.ports.map(({ host, name, ip }) => host.ip('address', 'add', `${ip}/24`, 'dev', name)),
    )
  }

  /** The first program that ended badly. */
  get failure(): Error | undefined {
    return this.#children.map((child) => child.failure).find((failure) => failure !== undefined)
  }

  /** Ends every program that still runs, and with them the namespaces. */
  async close(): Promise<void> {
    await Promise.all(this.#children.map((child) => child.kill()))
  }
}

function holder(): Promise<Child> {
  return Child.start(['unshare', '--net', 'sh', '-c', holdNamespace])
}

/** The address of a network's port number `index`. */
function addressOf(index: number): string {
  const digits = (index + 1).toString(16).padStart(4, '0')
  return `02:00:00:00:${digits.slice(0, 2)}:${digits.slice(2)}`
}
