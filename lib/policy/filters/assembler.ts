/**
 * Classic BPF instructions with labels for jump targets, put together into the bytes that the addon takes.
 * Called by condition.ts.
 */

/** The operation codes of linux/bpf_common.h that match programs use. */
export const opcode = {
  loadByte: 0x30,
  loadHalf: 0x28,
  loadWord: 0x20,
  loadHalfAtX: 0x48,
  loadLength: 0x80,
  loadIpv4HeaderLengthIntoX: 0xb1,
  and: 0x54,
  jump: 0x05,
  jumpIfEqual: 0x15,
  jumpIfGreater: 0x25,
  jumpIfAtLeast: 0x35,
  jumpIfAnyBit: 0x45,
  return: 0x06,
} as const

/** A place in a program that jumps go to, always forward. */
export class Label {
  /** Instructions from here to the program's end; the assembler finds out. */
  fromEnd: number | undefined
}

interface Instruction {
  code: number
  k: number
  jt?: number
  jf?: number
}
interface Branch {
  code: number
  k: number
  yes: Label
  no: Label
}

/** Bytes of an instruction: struct sock_filter. */
const instructionSize = 8
/** Instructions that a branch can skip: 255, less the one jump that its other way may put in between. */
const reach = 254

export class Assembler {
  #items: (Instruction | Branch | Label)[] = []

  statement(code: number, k: number): void {
    this.#items.push({ code, k })
  }

  branch(code: number, k: number, yes: Label, no: Label): void {
    this.#items.push({ code, k, yes, no })
  }

  place(label: Label): void {
    this.#items.push(label)
  }

  /**
   * The program in the layout of struct sock_filter on a little-endian machine: code (16 bits), jt, jf, k (32 bits).
   *
   * It is put together from its end, where every target is known before the jumps to it, counted in instructions from
   * the end. A branch whose target is out of reach goes to a jump placed right behind it.
   */
  finish(): Uint8Array {
    const reversed: Instruction[] = []
    const skipped = (target: number) => reversed.length - target
    const within = ({ fromEnd }: Label): number => {
      if (fromEnd === undefined) throw new Error('a jump goes backward or to a label that is not placed')
      if (skipped(fromEnd) <= reach) return fromEnd
      reversed.push({ code: opcode.jump, k: skipped(fromEnd) })
      return reversed.length
    }
    for (const item of this.#items.toReversed()) {
      if (item instanceof Label) {
        item.fromEnd = reversed.length
      } else if ('yes' in item) {
        const yes = within(item.yes)
        const no = within(item.no)
        reversed.push({ code: item.code, k: item.k, jt: skipped(yes), jf: skipped(no) })
      } else {
        reversed.push(item)
      }
    }
    return encode(reversed.reverse())
  }
}

function encode(instructions: Instruction[]): Uint8Array {
  const bytes = new Uint8Array(instructions.length * instructionSize)
  const view = new DataView(bytes.buffer)
  instructions.forEach(({ code, k, jt = 0, jf = 0 }, index) => {
    const at = index * instructionSize
    view.setUint16(at, code, true)
    view.setUint8(at + 2, jt)
    view.setUint8(at + 3, jf)
    view.setUint32(at + 4, k, true)
  })
  return bytes
}
