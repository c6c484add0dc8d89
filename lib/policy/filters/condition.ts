/**
 * Conditions on the bytes of a frame, as plain data, and their translation into a program. Called by match.ts.
 *
 * Theory of operation: a test loads a value from the frame and compares it with a constant. `translate` gives every
 * condition two labels, where to go when it holds and when it does not; `and`, `or` and `not` only choose the labels of
 * their parts, so a program stops at the first test that decides. It also follows what the registers hold on the way
 * to each label and leaves out the loads that would change nothing.
 */
import { Assembler, Label, opcode } from './assembler.js'

/** A value from the frame, in register A. */
export interface Load {
  code: number
  offset: number
  /** Register X must hold the length of the IPv4 header at this offset. */
  ipv4At?: number
  mask?: number
}

interface Test {
  kind: 'test'
  key: string
  load: Load
  code: number
  k: number
}

/** A condition that some frames fulfil and others do not. Formulas with the same key are the same. */
type Formula =
  | Test
  | { kind: 'and' | 'or'; key: string; parts: [Formula, ...Formula[]] }
  | { kind: 'not'; key: string; part: Formula }
  | { kind: 'choice'; key: string; of: Formula; yes: Formula; no: Formula }

/** What a frame fulfils or not; true and false are the same for every frame. */
export type Condition = boolean | Formula

export const byte = (offset: number): Load => ({ code: opcode.loadByte, offset })
export const half = (offset: number): Load => ({ code: opcode.loadHalf, offset })
export const word = (offset: number): Load => ({ code: opcode.loadWord, offset })
/** Two bytes behind the IPv4 header at `ip`, whatever its length. */
export const halfBehindIpv4 = (ip: number, offset: number): Load => ({
  code: opcode.loadHalfAtX,
  offset: ip + offset,
  ipv4At: ip,
})
export const frameLength: Load = { code: opcode.loadLength, offset: 0 }
export const masked = (load: Load, mask: number): Load => ({ ...load, mask })

export const equals = (load: Load, k: number): Test => test(load, opcode.jumpIfEqual, k)
export const atLeast = (load: Load, k: number): Test => test(load, opcode.jumpIfAtLeast, k)
export const greater = (load: Load, k: number): Test => test(load, opcode.jumpIfGreater, k)
export const anyBit = (load: Load, k: number): Test => test(load, opcode.jumpIfAnyBit, k)

export function and(parts: Condition[]): Condition {
  return join('and', true, parts)
}

/**
 * Parts that begin alike share their beginning: `A and B, or A and C` becomes `A and (B or C)`. So a list of a hundred
 * addresses asks once whether there is an IP header, not a hundred times.
 */
export function or(parts: Condition[]): Condition {
  if (parts.includes(true)) return true
  const alike = new Map<string, [Formula, ...Formula[]]>()
  for (const part of flatten('or', parts)) {
    const { key } = beginning(part)
    const group = alike.get(key)
    if (group) group.push(part)
    else alike.set(key, [part])
  }
  const joined = Array.from(alike.values(), (group) =>
    group.length === 1 ? group[0] : and([beginning(group[0]), or(group.map(remainder))]),
  )
  return join('or', false, joined)
}

export function not(part: Condition): Condition {
  return typeof part === 'boolean' ? !part : { kind: 'not', key: `not ${part.key}`, part }
}

/** `yes` where `of` holds, else `no`. */
export function choice(of: Condition, yes: Condition, no: Condition): Condition {
  if (typeof of === 'boolean') return of ? yes : no
  if (typeof yes === 'boolean') return yes ? or([of, no]) : and([not(of), no])
  if (typeof no === 'boolean') return no ? or([not(of), yes]) : and([of, yes])
  if (yes.key === no.key) return yes
  return { kind: 'choice', key: `(${of.key} ? ${yes.key} : ${no.key})`, of, yes, no }
}

/** The program that accepts exactly the frames which fulfil the condition. */
export function translate(condition: Condition): Uint8Array {
  return new Translation().program(condition)
}

function test(load: Load, code: number, k: number): Test {
  const { code: loadCode, offset, ipv4At = '', mask = '' } = load
  return { kind: 'test', key: `${loadCode}[${offset}]${ipv4At}&${mask} ${code} ${k}`, load, code, k }
}

function join(kind: 'and' | 'or', neutral: boolean, parts: Condition[]): Condition {
  if (parts.includes(!neutral)) return !neutral
  const [first, ...rest] = flatten(kind, parts)
  if (first === undefined) return neutral
  if (rest.length === 0) return first
  return {
    kind,
    key: `(${[first, ...rest].map(({ key }) => key).join(` ${kind} `)})`,
    parts: [first, ...rest],
  }
}

/** The parts that are not constant, and the parts of those that are of this kind themselves in their place. */
function flatten(kind: 'and' | 'or', parts: Condition[]): Formula[] {
  return parts.flatMap((part) => (typeof part === 'boolean' ? [] : part.kind === kind ? part.parts : [part]))
}

const beginning = (formula: Formula) => (formula.kind === 'and' ? formula.parts[0] : formula)
const remainder = (formula: Formula) => formula.kind !== 'and' || and(formula.parts.slice(1))

/** What the registers are known to hold. */
interface Registers {
  a?: Load | undefined
  ipv4LengthInX?: number | undefined
}

const acceptWholeFrame = 0xffffffff

class Translation {
  #assembler = new Assembler()
  #registers: Registers = {}
  #registersAt = new Map<Label, Registers>()

  program(condition: Condition): Uint8Array {
    if (typeof condition === 'boolean') {
      this.#assembler.statement(opcode.return, condition ? acceptWholeFrame : 0)
    } else {
      const [accept, reject] = [new Label(), new Label()]
      this.#translate(condition, accept, reject)
      this.#assembler.place(accept)
      this.#assembler.statement(opcode.return, acceptWholeFrame)
      this.#assembler.place(reject)
      this.#assembler.statement(opcode.return, 0)
    }
    return this.#assembler.finish()
  }

  #translate(formula: Formula, yes: Label, no: Label): void {
    switch (formula.kind) {
      case 'test':
        this.#load(formula.load)
        this.#assembler.branch(formula.code, formula.k, yes, no)
        this.#arriveAt(yes)
        this.#arriveAt(no)
        break
      case 'not':
        this.#translate(formula.part, no, yes)
        break
      case 'and':
      case 'or':
        formula.parts.forEach((part, index) => {
          const isLast = index === formula.parts.length - 1
          const next = new Label()
          if (isLast) this.#translate(part, yes, no)
          else if (formula.kind === 'and') this.#translate(part, next, no)
          else this.#translate(part, yes, next)
          if (!isLast) this.#place(next)
        })
        break
      case 'choice': {
        const [chosen, other] = [new Label(), new Label()]
        this.#translate(formula.of, chosen, other)
        this.#place(chosen)
        this.#translate(formula.yes, yes, no)
        this.#place(other)
        this.#translate(formula.no, yes, no)
      }
    }
  }

  #load(load: Load): void {
    const { code, offset, ipv4At, mask } = load
    if (same(this.#registers.a, load)) return
    if (ipv4At !== undefined && this.#registers.ipv4LengthInX !== ipv4At) {
      this.#assembler.statement(opcode.loadIpv4HeaderLengthIntoX, ipv4At)
      this.#registers.ipv4LengthInX = ipv4At
    }
    this.#assembler.statement(code, offset)
    if (mask !== undefined) this.#assembler.statement(opcode.and, mask)
    this.#registers.a = load
  }

  /** Notes what the registers hold on one more way to the label. */
  #arriveAt(label: Label): void {
    const now = this.#registers
    const other = this.#registersAt.get(label) ?? now
    this.#registersAt.set(label, {
      a: same(now.a, other.a) ? now.a : undefined,
      ipv4LengthInX: now.ipv4LengthInX === other.ipv4LengthInX ? now.ipv4LengthInX : undefined,
    })
  }

  #place(label: Label): void {
    this.#assembler.place(label)
    this.#registers = { ...this.#registersAt.get(label) }
  }
}

function same(a: Load | undefined, b: Load | undefined): boolean {
  return a?.code === b?.code && a?.offset === b?.offset && a?.ipv4At === b?.ipv4At && a?.mask === b?.mask
}
