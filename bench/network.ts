// The two hosts that every case has, a sender and a receiver: network namespaces with one interface each, `port0`,
// which the peer under test makes and joins by whatever it is.
//
// The namespaces have no names: each is held by a sleeping child and vanishes, with all interfaces in it, when the
// child does. IPv6 is off in them and no address is set, so that nothing but the generator sends.

import { readFile } from 'node:fs/promises'
import { Child, run, type Placement } from './children.js'

/** The interface that a peer makes in the namespace of each host. */
export const portName = 'port0'

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

  /** Frames that the stack inside has received from `port0`, and those it offered, whether or not the port took them. */
  async counters(): Promise<{ received: number; offered: number }> {
    const interfaces = await readFile(`/proc/${this.#holder}/net/dev`, 'utf8')
    const line = interfaces.split('\n').find((text) => text.trim().startsWith(`${portName}:`))
    if (line === undefined) throw new Error(`the peer made no interface ${portName}`)
    // Received bytes, packets, errs, drop, fifo, frame, compressed, multicast; then sent bytes, packets, errs, drop ...
    const columns = line
      .slice(line.indexOf(':') + 1)
      .trim()
      .split(/\s+/)
      .map(Number)
    const [received = NaN, sent = NaN, refused = NaN] = [columns[1], columns[9], columns[11]]
    return { received, offered: sent + refused }
  }
}

/** The hosts of one run, and all programs that it started. */
export class Network {
  static readonly senderAddress = '02:00:00:00:00:01'
  static readonly receiverAddress = '02:00:00:00:00:02'

  readonly sender: Namespace
  readonly receiver: Namespace
  readonly #children: Child[]

  private constructor(holders: [Child, Child]) {
    this.sender = new Namespace(holders[0].pid)
    this.receiver = new Namespace(holders[1].pid)
    this.#children = holders
  }

  /** Makes both hosts, still without an interface. */
  static async create(): Promise<Network> {
    return new Network([await holder(), await holder()])
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

  /** Gives both interfaces their address and sets them up, equally for every peer. */
  async up(): Promise<void> {
    await this.sender.ip('link', 'set', 'dev', portName, 'address', Network.senderAddress, 'up')
    await this.receiver.ip('link', 'set', 'dev', portName, 'address', Network.receiverAddress, 'up')
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
