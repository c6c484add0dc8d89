/**
 * What is spoken over a control socket: JSON-RPC 2.0, one message per line.
 * Called by the control server, its client, and the instance that answers.
 */
import type { Socket } from 'node:net'
import { EtherloomError, isErrorCode } from '../values/errors.js'
import type { CaptureStats } from '../capture/capture.js'
import type { Applied } from '../policy/policy.js'
import type { LinkReports } from '../topology/links-report.js'
import type { NetworkApplied } from '../topology/network.js'
import type { PathRow, Reports } from '../topology/report.js'
import type { Topology, TopologyPolicy } from '../topology/schema.js'
import type { WorldStep } from '../world/world.js'

/** Who answers. */
export interface InstanceInfo {
  name: string
  /** Absolute path of its topology file. */
  file: string
  pid: number
  /** As text: it can exceed what a JSON number holds. */
  seed: string
  workers: number
  /** What its workers speak to the kernel with. */
  io: string
}

/** A step of a world, without its links. */
export type StepTaken = { world: string } & Omit<WorldStep, 'links'>

type NoParameters = Record<string, never>

/** Every method: what it takes and what it returns. */
export interface ControlMethods {
  info: (params: NoParameters) => InstanceInfo
  /** Rows of a report. */
  show: (params: { what: keyof Reports }) => Reports[keyof Reports]
  /** The links of its worlds, in MiniWorld's shapes. */
  links: (params: { what: keyof LinkReports }) => LinkReports[keyof LinkReports]
  /** The running state as a topology. */
  export: (params: NoParameters) => Topology
  /** Replaces the policy of a path, or of both paths of a pair. */
  path: (params: {
    from: string
    to: string
    both: boolean
    fabric?: string
    policy: TopologyPolicy & { allowed: boolean }
  }) => Applied
  /** The row of `show paths` for one path, also where it has no policy of its own. */
  showPath: (params: { from: string; to: string; fabric?: string }) => PathRow
  /** Takes a port's carrier away, or gives it back. */
  carrier: (params: { port: string; fabric?: string; on: boolean }) => null
  apply: (params: { topology: Topology }) => NetworkApplied
  /** Takes steps, by default one, of a world, or of all that move. */
  step: (params: { world?: string; count?: number }) => StepTaken[]
  /** Records a port, or a path when `to` is given, into a socket that the caller listens on. */
  capture: (params: {
    from: string
    to?: string
    fabric?: string
    socket: string
    fates: boolean
    snapLength?: number
    count?: number
  }) => { capture: number }
  /** Ends a capture; one that has ended is no mistake. Answers once, with its last numbers. */
  endCapture: (params: { capture: number }) => CaptureStats
  /** Ends the instance; answers when nothing of it is left, and then the connection ends. */
  down: (params: NoParameters) => null
}

/** The JSON-RPC error code of an EtherloomError; its own code travels as data. */
export const failureCode = -32000

/** An error as data of a JSON-RPC error response. */
export function errorData(error: unknown): { code?: string } {
  return error instanceof EtherloomError ? { code: error.code } : {}
}

/** The error that a response stands for. */
export function errorFrom(message: string, data: unknown): EtherloomError {
  const code = (data as { code?: unknown } | undefined)?.code
  return new EtherloomError(isErrorCode(code) ? code : 'ERR_ETHERLOOM_CONTROL', message)
}

/** More than any topology; a peer that sends a longer line is cut off. */
const longestLine = 64 * 1024 * 1024

/** Calls `receive` with every line that arrives. */
export function readLines(socket: Socket, receive: (line: string) => void): void {
  let pieces: string[] = []
  let length = 0
  socket.setEncoding('utf8')
  socket.on('data', (text: string) => {
    const lines = text.split('\n')
    const rest = lines.pop() ?? ''
    for (const line of lines) {
      receive(pieces.join('') + line)
      pieces = []
      length = 0
    }
    pieces.push(rest)
    length += rest.length
    if (length > longestLine) socket.destroy()
  })
}

export function writeLine(socket: Socket, message: unknown): void {
  socket.write(`${JSON.stringify(message)}\n`)
}
