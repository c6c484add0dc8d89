/**
 * An independent reader of pcapng, for what captures write: little-endian, strict about everything, and sharing no
 * code with lib/. What is malformed throws.
 */
export interface Packet {
  interface: string
  at: bigint
  bytes: Uint8Array
  length: number
  direction: 'in' | 'out' | 'unknown'
  dropped: bigint
  comment: string
}

export interface Recording {
  interfaces: { name: string; description: string; filter?: string; snapLength: number }[]
  packets: Packet[]
  statistics: { interface: string; received: bigint; dropped: bigint }[]
}

const must = (holds: boolean, what: string): void => {
  if (!holds) throw new Error(`not pcapng: ${what}`)
}

export function readPcapng(bytes: Uint8Array): Recording {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const u16 = (at: number): number => view.getUint16(at, true)
  const u32 = (at: number): number => view.getUint32(at, true)
  const time = (at: number): bigint => (BigInt(u32(at)) << 32n) | BigInt(u32(at + 4))
  const recording: Recording = { interfaces: [], packets: [], statistics: [] }
  const name = (index: number): string => {
    must(index < recording.interfaces.length, 'an interface that was not described')
    return recording.interfaces[index]!.name
  }

  const optionsOf = (from: number, to: number): Map<number, DataView> => {
    const found = new Map<number, DataView>()
    let at = from
    for (; at < to;) {
      const [code, length] = [u16(at), u16(at + 2)]
      at += 4
      if (code === 0) break
      must(at + length <= to && !found.has(code), 'an option that is too long, or twice')
      found.set(code, new DataView(bytes.buffer, bytes.byteOffset + at, length))
      at += (length + 3) & ~3
    }
    must(at === to, 'options that do not fill their block')
    return found
  }
  const words = (option: DataView | undefined): string =>
    option
      ? new TextDecoder().decode(new Uint8Array(option.buffer, option.byteOffset, option.byteLength))
      : ''

  let at = 0
  for (; at < bytes.length;) {
    const [type, length] = [u32(at), u32(at + 4)]
    must(length % 4 === 0 && at + length <= bytes.length && u32(at + length - 4) === length, 'block lengths')
    const end = at + length - 4
    must((at === 0) === (type === 0x0a0d0d0a), 'a section header, first and once')
    switch (type) {
      case 0x0a0d0d0a:
        must(u32(at + 8) === 0x1a2b3c4d && u16(at + 12) === 1 && u16(at + 14) === 0, 'section header')
        optionsOf(at + 24, end)
        break
      case 1: {
        must(u16(at + 8) === 1, 'Ethernet')
        const options = optionsOf(at + 16, end)
        must(options.get(9)?.getUint8(0) === 9, 'times in nanoseconds')
        recording.interfaces.push({
          name: words(options.get(2)),
          description: words(options.get(3)),
          ...(options.has(11) && { filter: words(options.get(11)).slice(1) }),
          snapLength: u32(at + 12),
        })
        break
      }
      case 6: {
        const captured = u32(at + 20)
        const data = at + 28
        const options = optionsOf(data + ((captured + 3) & ~3), end)
        recording.packets.push({
          interface: name(u32(at + 8)),
          at: time(at + 12),
          bytes: bytes.slice(data, data + captured),
          length: u32(at + 24),
          direction: (['unknown', 'in', 'out'] as const)[options.get(2)!.getUint32(0, true) & 3]!,
          dropped: options.get(4)?.getBigUint64(0, true) ?? 0n,
          comment: words(options.get(1)),
        })
        break
      }
      case 5: {
        const options = optionsOf(at + 20, end)
        recording.statistics.push({
          interface: name(u32(at + 8)),
          received: options.get(4)!.getBigUint64(0, true),
          dropped: options.get(5)!.getBigUint64(0, true),
        })
        break
      }
      default:
        throw new Error(`not pcapng that we write: block type ${type}`)
    }
    at += length
  }
  must(at === bytes.length, 'whole blocks')
  return recording
}
