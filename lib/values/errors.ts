/**
 * The one error class of the library and the table of its codes.
 * Thrown by every other module; native set-up errors pass through `fromNative` on their way up.
 */
import { getSystemErrorMap } from 'node:util'
import { shorten, visible } from './quote.js'

/** Every code with what it means. The code is the contract; messages may change. */
export const errorCodes = {
  ERR_ETHERLOOM_OPTION: 'An option has a value of the wrong type, out of range or in the wrong unit.',
  ERR_ETHERLOOM_UNKNOWN_OPTION: 'An option is not one that this class or command knows.',
  ERR_ETHERLOOM_NAME: 'A name is malformed, already in use, or names nothing that exists.',
  ERR_ETHERLOOM_STATE: 'The object is in the wrong state: closed, not attached, or attached elsewhere.',
  ERR_ETHERLOOM_PRIVILEGE: 'The process lacks a capability that the operation needs.',
  ERR_ETHERLOOM_DEVICE: 'A device could not be opened or set up, or failed later.',
  ERR_ETHERLOOM_NAMESPACE: 'A network namespace could not be created, found or entered.',
  ERR_ETHERLOOM_FILTER: 'A filter expression or match object could not be compiled.',
  ERR_ETHERLOOM_TOPOLOGY: 'A topology file has mistakes; the message gives file, line and column of each.',
  ERR_ETHERLOOM_CONTROL: 'A running instance could not be reached, or one of that name already runs.',
  ERR_ETHERLOOM_RESOURCE: 'Memory, descriptors or another bounded resource is used up.',
  ERR_ETHERLOOM_UNSUPPORTED: 'This kernel, machine or build does not offer what was asked for.',
} as const

/** One of the codes by which errors are told apart. */
export type ErrorCode = keyof typeof errorCodes

export interface ErrorDetails {
  /** The error that led to this one. */
  cause?: unknown
  /** The system call that failed, as `ioctl TUNSETIFF`. */
  syscall?: string | undefined
  /** Its positive errno. */
  errno?: number | undefined
  /** What the user can do about it; becomes the end of the message. */
  hint?: string | undefined
  /** Where in a topology the reason is: the keys and indices that lead there. */
  place?: readonly (string | number)[] | undefined
}

/** Whatever goes wrong in etherloom. Tell errors apart by `code`. */
export class EtherloomError extends Error {
  /** As in `EtherloomError [ERR_ETHERLOOM_OPTION]`. */
  override readonly name = 'EtherloomError'
  /** Which kind of error it is; `errorCodes` says what each means. */
  readonly code: ErrorCode
  /** The system call that failed; undefined when the refusal is etherloom's own. */
  readonly syscall: string | undefined
  /** The positive errno of that call. */
  readonly errno: number | undefined
  /** What the user can do about it, also the end of `message`. */
  readonly hint: string | undefined
  /** Where in a topology the reason is: the keys and indices that lead there, as `['hosts', 'red', 'routes', 0]`. */
  readonly place: readonly (string | number)[] | undefined

  /** `message`: one sentence, or a line for each of several mistakes. */
  constructor(
    code: ErrorCode,
    message: string | readonly string[],
    { cause, syscall, errno, hint: advice, place }: ErrorDetails = {},
  ) {
    const text = (typeof message === 'string' ? [message] : message).map(line).join('\n')
    const hint = advice === undefined ? undefined : line(advice)
    super(hint === undefined ? text : `${text}; ${hint}`, cause === undefined ? undefined : { cause })
    this.code = code
    this.syscall = syscall
    this.errno = errno
    this.hint = hint
    this.place = place
    // What is not known does not show where an error is printed.
    for (const key of ['syscall', 'errno', 'hint', 'place'] as const)
      if (this[key] === undefined) Object.defineProperty(this, key, { enumerable: false })
  }
}

/** What a message may be: whatever it quotes, it stays on its line, which has an end. */
const line = (text: string): string => shorten(visible(shorten(text, 2000)), 2000)

/** What the addon reports when a set-up call fails. `errno` is 0 for a refusal of its own. */
export interface NativeError {
  code?: string
  errno: number
  syscall: string
  message: string
}

const byErrno: Record<string, { code: ErrorCode; hint?: string }> = {
  EPERM: { code: 'ERR_ETHERLOOM_PRIVILEGE' },
  EACCES: { code: 'ERR_ETHERLOOM_PRIVILEGE' },
  EBUSY: { code: 'ERR_ETHERLOOM_DEVICE', hint: 'end the program that uses it, or choose another name' },
  EEXIST: { code: 'ERR_ETHERLOOM_DEVICE', hint: 'choose another name, or remove what has this one' },
  EADDRINUSE: { code: 'ERR_ETHERLOOM_DEVICE', hint: 'end the program that has it, or choose another' },
  EADDRNOTAVAIL: {
    code: 'ERR_ETHERLOOM_DEVICE',
    hint: "choose an address of this machine; 'ip address' lists them",
  },
  ENODEV: { code: 'ERR_ETHERLOOM_DEVICE', hint: "check the interface's name with 'ip link'" },
  ENXIO: { code: 'ERR_ETHERLOOM_DEVICE', hint: "check the interface's name with 'ip link'" },
  EMFILE: { code: 'ERR_ETHERLOOM_RESOURCE', hint: "allow more open files with 'ulimit -n'" },
  ENFILE: { code: 'ERR_ETHERLOOM_RESOURCE', hint: 'raise the sysctl fs.file-max' },
  ENOMEM: { code: 'ERR_ETHERLOOM_RESOURCE', hint: 'give the engine less memory, or the process more' },
  ENOBUFS: { code: 'ERR_ETHERLOOM_RESOURCE' },
  ENOSPC: { code: 'ERR_ETHERLOOM_RESOURCE' },
  ENOSYS: { code: 'ERR_ETHERLOOM_UNSUPPORTED', hint: "see what this machine offers with 'etherloom doctor'" },
  ENOTSUP: { code: 'ERR_ETHERLOOM_UNSUPPORTED' },
  EAFNOSUPPORT: { code: 'ERR_ETHERLOOM_UNSUPPORTED' },
  EPROTONOSUPPORT: { code: 'ERR_ETHERLOOM_UNSUPPORTED' },
}

/** What a call means by an errno that means something else elsewhere. */
const byCall: typeof byErrno = {
  'spawn E2BIG': { code: 'ERR_ETHERLOOM_OPTION', hint: 'make the command shorter, or put it into a file' },
  'spawn EAGAIN': {
    code: 'ERR_ETHERLOOM_RESOURCE',
    hint: "allow more processes ('ulimit -u'), or the control group more ('pids.max')",
  },
  'io_uring_setup ENOMEM': {
    code: 'ERR_ETHERLOOM_RESOURCE',
    hint: "let the process lock more memory ('ulimit -l'), give the engine fewer workers, or use epoll",
  },
  'pthread_create EAGAIN': {
    code: 'ERR_ETHERLOOM_RESOURCE',
    hint: "allow more threads ('ulimit -u') or the process more memory, or give the engine fewer workers",
  },
}

/**
 * An EtherloomError for a native set-up error: its own code where it brings one, else the one its errno stands for;
 * everything without an entry is a device error.
 */
export function fromNative(error: NativeError): EtherloomError {
  const { errno, syscall, message } = error
  const [name, description] = getSystemErrorMap().get(-errno) ?? []
  const known = name === undefined ? undefined : (byCall[`${syscall} ${name}`] ?? byErrno[name])
  const code = isErrorCode(error.code) ? error.code : (known?.code ?? 'ERR_ETHERLOOM_DEVICE')
  // A message about privilege ends with the ways out already.
  const reason = code === 'ERR_ETHERLOOM_PRIVILEGE' ? '' : `: ${description}`
  return new EtherloomError(code, name === undefined ? message : `${message}${reason} (${name})`, {
    syscall: syscall === '' ? undefined : syscall,
    errno: errno === 0 ? undefined : errno,
    hint: known?.hint,
  })
}

/** An error of Node's own that says what is used up, as one of ours with what to do; others stay as they are. */
export function adviseUsedUp(error: unknown): unknown {
  const { code: name = '', message } = error as NodeJS.ErrnoException
  const known = byErrno[name]
  if (known?.code !== 'ERR_ETHERLOOM_RESOURCE') return error
  return new EtherloomError(known.code, message, { cause: error, hint: known.hint })
}

/** @internal What an error says, without what can be done about it. */
export const textOf = ({
  message,
  hint,
}: Pick<EtherloomError, 'message'> & { hint?: string | undefined }): string =>
  hint === undefined ? message : message.slice(0, -`; ${hint}`.length)

/** The same error with other advice. */
export function advise(error: EtherloomError, hint: string): EtherloomError {
  const { code, syscall, errno, place } = error
  return new EtherloomError(code, textOf(error).split('\n'), { cause: error, syscall, errno, hint, place })
}

/**
 * The same error, its message opening with where the mistake is, as `change 3 of 5`. Other errors stay as they are. `place`:
 * where that is in a topology.
 */
export function locate(error: unknown, where: string, place?: EtherloomError['place']): unknown {
  if (!(error instanceof EtherloomError)) return error
  const { code, hint, syscall, errno } = error
  return new EtherloomError(code, `${where}: ${textOf(error)}`.split('\n'), {
    cause: error,
    syscall,
    errno,
    hint,
    place: place ?? error.place,
  })
}

export function isErrorCode(code: unknown): code is ErrorCode {
  return typeof code === 'string' && Object.hasOwn(errorCodes, code)
}
