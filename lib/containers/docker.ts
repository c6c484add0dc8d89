/**
 * What we ask of Docker: which container is meant, which process is its first, and when it starts again. Called by places.ts.
 * Source: the Docker Engine API, version 1.24 and later, over its Unix socket.
 */
import type { IncomingMessage } from 'node:http'
import { EtherloomError } from '../values/errors.js'
import { listed, suggestion } from '../values/options.js'
import { quote } from '../values/quote.js'

/** A container that runs. */
export interface Container {
  name: string
  /** Its first process, as this machine numbers it. */
  pid: number
}

interface Inspected {
  Name: string
  State: { Running: boolean; Pid: number }
}
interface Listed {
  Id: string
  Names?: string[]
}

/** Where Docker listens: as its own command line has it, but at a Unix socket only. */
function dockerSocket(): string {
  const host = process.env.DOCKER_HOST
  if (host === undefined || host === '') return '/var/run/docker.sock'
  if (host.startsWith('unix://')) return host.slice('unix://'.length)
  throw new EtherloomError(
    'ERR_ETHERLOOM_UNSUPPORTED',
    `DOCKER_HOST is ${quote(host)}, and etherloom reaches only containers of this machine`,
    { hint: "unset DOCKER_HOST, or let it be 'unix:///var/run/docker.sock'" },
  )
}

/**
 * The container of that name, or whose id begins so; of a containerlab also by the name that its node has there.
 *
 * @throws EtherloomError ERR_ETHERLOOM_NAME, ERR_ETHERLOOM_STATE where it does not run; ERR_ETHERLOOM_UNSUPPORTED,
 *   ERR_ETHERLOOM_PRIVILEGE where Docker cannot be asked
 */
export async function findContainer(name: string): Promise<Container> {
  const { status, body } = await ask(`/containers/${encodeURIComponent(name)}/json`)
  if (status === 404) return findContainer(await idOfNode(name))
  const { Name, State } = answered(status, body) as Inspected
  const own = Name.replace(/^\//, '')
  if (State.Running && State.Pid > 0) return { name: own, pid: State.Pid }
  throw new EtherloomError('ERR_ETHERLOOM_STATE', `the container ${quote(own)} does not run`, {
    hint: `start it: docker start ${own}`,
  })
}

/** The id of the container that is this node of a containerlab. @throws EtherloomError ERR_ETHERLOOM_NAME */
async function idOfNode(node: string): Promise<string> {
  const found = await containers({ label: [`clab-node-name=${node}`] })
  const [first, ...more] = found
  if (first && more.length === 0) return first.Id
  if (first)
    throw new EtherloomError(
      'ERR_ETHERLOOM_NAME',
      `several containers are a node ${quote(node)}: ${found.map(nameOf).join(', ')}`,
      { hint: 'give the name of the container' },
    )
  const names = (await containers({})).map(nameOf)
  const near = suggestion(node, names)
  throw new EtherloomError('ERR_ETHERLOOM_NAME', `no container ${quote(node)}${near}`, {
    hint: near !== '' ? undefined : names.length > 0 ? listed('containers', names) : 'no container runs',
  })
}

const nameOf = ({ Names, Id }: Listed): string => (Names?.[0] ?? Id.slice(0, 12)).replace(/^\//, '')

const containers = async (filters: Record<string, string[]>): Promise<Listed[]> => {
  const { status, body } = await ask(
    `/containers/json?filters=${encodeURIComponent(JSON.stringify(filters))}`,
  )
  return answered(status, body) as Listed[]
}

function answered(status: number, body: string): unknown {
  if (status === 200) return JSON.parse(body)
  const { message } = JSON.parse(body || '{}') as { message?: string }
  throw new EtherloomError('ERR_ETHERLOOM_UNSUPPORTED', `Docker answers ${status}: ${message ?? body}`)
}

/** Waits this long for an answer, in milliseconds; and before Docker is asked anew what happens. */
const patience = 10_000
const pause = 1000

/** The most that an answer may be long. */
const longest = 16 * 1024 * 1024

async function ask(path: string): Promise<{ status: number; body: string }> {
  const answer = await open(path, AbortSignal.timeout(patience))
  const parts: Buffer[] = []
  let size = 0
  for await (const part of answer) {
    parts.push(part as Buffer)
    if ((size += (part as Buffer).length) > longest)
      throw new EtherloomError('ERR_ETHERLOOM_UNSUPPORTED', 'Docker answers without end')
  }
  return { status: answer.statusCode ?? 0, body: Buffer.concat(parts).toString() }
}

async function open(path: string, signal: AbortSignal): Promise<IncomingMessage> {
  const socketPath = dockerSocket()
  const { get } = await import('node:http')
  return new Promise((resolve, reject) => {
    const request = get({ socketPath, path, signal, headers: { host: 'docker' }, agent: false }, resolve)
    request.on('error', (cause: NodeJS.ErrnoException) => {
      reject(unreachable(socketPath, cause))
    })
  })
}

function unreachable(socket: string, cause: NodeJS.ErrnoException): EtherloomError {
  if (cause.code === 'EACCES' || cause.code === 'EPERM')
    return new EtherloomError('ERR_ETHERLOOM_PRIVILEGE', `Docker's socket ${socket} is not for this user`, {
      cause,
      hint: 'run as root, or as a user of the group docker',
    })
  const isAbsent = cause.code === 'ENOENT' || cause.code === 'ECONNREFUSED'
  return new EtherloomError(
    'ERR_ETHERLOOM_UNSUPPORTED',
    isAbsent ? `no Docker answers at ${socket}` : `Docker cannot be asked at ${socket}: ${cause.message}`,
    { cause, hint: 'start Docker, or say where it listens: DOCKER_HOST=unix:///PATH' },
  )
}

/**
 * Calls `started` whenever the container of this name runs as another process than before, `pid` at first, until `signal`. Docker's
 * events say when to look; where they could not be heard, as while Docker itself was started again, it is looked at afterwards.
 */
export function followStarts({ name, pid }: Container, started: () => void, signal: AbortSignal): void {
  let known = pid
  const look = async (): Promise<void> => {
    const found = await findContainer(name).catch(() => undefined) // it does not run now
    if (signal.aborted || found === undefined || found.pid === known) return
    known = found.pid
    started()
  }
  const filters = encodeURIComponent(
    JSON.stringify({ type: ['container'], container: [name], event: ['start'] }),
  )
  const follow = async (): Promise<void> => {
    const answer = await open(`/events?filters=${filters}`, signal)
    answer.socket.unref()
    if (answer.statusCode !== 200) {
      answer.destroy()
      return
    }
    await look()
    for await (const part of answer) if ((part as Buffer).includes('\n')) await look()
  }
  const again = (): void => {
    if (!signal.aborted) void follow().then(later, later) // Docker ends, or does not run
  }
  const later = (): void => {
    if (!signal.aborted) setTimeout(again, pause).unref()
  }
  again()
}
