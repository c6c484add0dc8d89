/** What the demo measures, from outside etherloom: real programs in the hosts, on the hosts' own kernel stacks. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Namespace } from '../../lib/engine/namespace.js'
import { fromSources, inPackage } from '../package.js'

/** A host and the address it answers to. */
export interface Host {
  name: string
  namespace: Namespace
  address: string
}

export interface Pings {
  sent: number
  /** Round trips of the answered ones, in milliseconds. */
  roundTrips: number[]
}

const running = new Set<ChildProcess>()

/** Ends, by their ids, the programs that still run. */
export function endAll(): void {
  for (const child of running) child.kill('SIGKILL')
}

function run(host: Host, program: string, ...words: string[]): ChildProcess {
  const child = spawn('nsenter', [`--net=${host.namespace.path}`, '--', program, ...words], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  running.add(child)
  child.once('close', () => running.delete(child))
  return child
}

async function linesOf(child: ChildProcess, each: (line: string) => void): Promise<void> {
  if (!child.stdout) return
  const closed = once(child, 'close')
  for await (const line of createInterface(child.stdout)) each(line)
  await closed
}

/** Pings with ping(8); `interval` in seconds. */
export async function ping(from: Host, to: Host, count: number, interval: number): Promise<Pings> {
  const roundTrips: number[] = []
  const child = run(from, 'ping', '-n', '-c', String(count), '-i', String(interval), '-W', '1', to.address)
  await linesOf(child, (line) => {
    const time = / time=([\d.]+) ms/.exec(line)?.[1]
    if (time !== undefined) roundTrips.push(Number(time))
  })
  return { sent: count, roundTrips }
}

/** Pings until one is answered, so that both sides know each other's address before anything is measured. */
export async function meet(from: Host, to: Host): Promise<boolean> {
  for (let attempt = 0; attempt < 20; attempt++) {
    if ((await ping(from, to, 1, 1)).roundTrips.length > 0) return true
  }
  return false
}

const peerProgram = fromSources ? inPackage('bin/demo/peer.ts') : inPackage('dist/bin/demo/peer.js')

const startPeer = (host: Host, ...words: string[]): ChildProcess =>
  run(host, process.execPath, ...process.execArgv, peerProgram, ...words)

async function resultOf(peer: ChildProcess, ready?: () => void): Promise<unknown> {
  let last: unknown
  await linesOf(peer, (line) => {
    last = JSON.parse(line)
    if (last === 'ready') ready?.()
  })
  return last
}

async function exchange(
  from: Host,
  to: Host,
  kind: 'udp' | 'tcp',
  ...words: string[]
): Promise<[unknown, unknown]> {
  const receiver = startPeer(to, `${kind}-receive`)
  let received: Promise<unknown> | undefined
  await new Promise<void>((ready) => {
    received = resultOf(receiver, ready)
    void received.finally(ready)
  })
  const sent = await resultOf(startPeer(from, `${kind}-send`, to.address, ...words))
  return [sent, await received]
}

/** Offers UDP at a rate for some seconds; what arrived, in bits per second of whole frames. */
export async function udpRate(from: Host, to: Host, offered: number, seconds: number): Promise<number> {
  const [, received] = await exchange(from, to, 'udp', String(offered), String(seconds))
  return (received as { rate: number } | undefined)?.rate ?? 0
}

export interface Transfer {
  bytes: number
  /** Bits of payload per second, at the receiver. */
  rate: number
  /** Whether the checksums at both ends agree. */
  same: boolean
}

/** One TCP transfer. */
export async function tcpTransfer(from: Host, to: Host, bytes: number): Promise<Transfer> {
  const [sent, received] = (await exchange(from, to, 'tcp', String(bytes))) as [
    { checksum: string } | undefined,
    { bytes: number; rate: number; checksum: string } | undefined,
  ]
  const same = received?.bytes === bytes && received.checksum === sent?.checksum
  return { bytes: received?.bytes ?? 0, rate: received?.rate ?? 0, same }
}
