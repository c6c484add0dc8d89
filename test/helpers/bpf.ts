/** A classic BPF interpreter for tests of compiled match objects: slow, plain, and strict about jumps. */

/** Whether the program (bytes of struct sock_filter, little-endian) accepts the frame. */
export function runFilter(program: Uint8Array, frame: Uint8Array): boolean {
  const code = new DataView(program.buffer, program.byteOffset, program.byteLength)
  const data = new DataView(frame.buffer, frame.byteOffset, frame.byteLength)
  let a = 0
  let x = 0
  const load = (size: number, offset: number) =>
    size === 4 ? data.getUint32(offset) : size === 2 ? data.getUint16(offset) : data.getUint8(offset)
  const inside = (offset: number, size: number) => offset + size <= frame.length

  for (let at = 0; ; at++) {
    const operation = code.getUint16(at * 8, true)
    const jt = code.getUint8(at * 8 + 2)
    const jf = code.getUint8(at * 8 + 3)
    const k = code.getUint32(at * 8 + 4, true)
    const size = 4 >> ((operation & 0x18) >> 3)
    switch (operation) {
      case 0x20: // ld [k]
      case 0x28: // ldh [k]
      case 0x30: // ldb [k]
        if (!inside(k, size)) return false
        a = load(size, k)
        break
      case 0x40: // ld [x + k]
      case 0x48: // ldh [x + k]
      case 0x50: // ldb [x + k]
        if (!inside(x + k, size)) return false
        a = load(size, x + k)
        break
      case 0xb1: // ldxb 4 * ([k] & 0xf)
        if (!inside(k, 1)) return false
        x = 4 * (load(1, k) & 0xf)
        break
      case 0x80: // ld len
        a = frame.length
        break
      case 0x54: // and #k
        a = (a & k) >>> 0
        break
      case 0x05: // ja k
        at += k
        break
      case 0x15: // jeq #k
        at += a === k ? jt : jf
        break
      case 0x25: // jgt #k
        at += a > k ? jt : jf
        break
      case 0x35: // jge #k
        at += a >= k ? jt : jf
        break
      case 0x45: // jset #k
        at += (a & k) !== 0 ? jt : jf
        break
      case 0x06: // ret #k
        return k !== 0
      default:
        throw new Error(`instruction ${at} has the unexpected code 0x${operation.toString(16)}`)
    }
  }
}
