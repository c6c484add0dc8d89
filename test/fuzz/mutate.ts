/** Changes inputs: bytes, words, lines and pieces of other inputs. The same draws give the same changes. */
import type { Draw } from '../helpers/draw.js'

/** Bytes of an input that grows. */
const longest = 8192

const numbers = [
  '0',
  '-1',
  '1',
  '255',
  '65536',
  '4294967296',
  '9007199254740993',
  '1e400',
  '0.1',
  'NaN',
  '9'.repeat(40),
]

export function mutate(
  input: Buffer,
  others: readonly Buffer[],
  words: readonly string[],
  draw: Draw,
): Buffer {
  let bytes = input
  for (let times = 1 + draw.below(4); times > 0; times--) bytes = once(bytes, others, words, draw)
  return bytes.subarray(0, longest)
}

function once(bytes: Buffer, others: readonly Buffer[], words: readonly string[], draw: Draw): Buffer {
  const at = draw.below(bytes.length + 1)
  const length = Math.min(bytes.length - at, 1 + draw.below(draw.once(4) ? 200 : 8))
  const put = (piece: Uint8Array | string, over = 0): Buffer =>
    Buffer.concat([bytes.subarray(0, at), Buffer.from(piece), bytes.subarray(at + over)])
  switch (draw.below(10)) {
    case 0:
      return put('', length)
    case 1:
      return put(Uint8Array.of(draw.below(256)), 1)
    case 2: {
      const changed = Buffer.from(bytes)
      if (at < changed.length) changed[at] = (changed[at] as number) ^ (1 << draw.below(8))
      return changed
    }
    case 3:
      return put(bytes.subarray(at, at + length))
    case 4:
      return draw.once(8)
        ? put(Buffer.concat(new Array<Buffer>(1 + draw.below(1000)).fill(bytes.subarray(at, at + length))))
        : put('\n')
    case 5: {
      const other = others.length > 0 ? draw.of(others) : bytes
      const from = draw.below(other.length + 1)
      return put(other.subarray(from, from + 1 + draw.below(100)), draw.once(2) ? length : 0)
    }
    case 6:
      return lines(bytes, draw)
    case 7: {
      // A number for another one.
      const text = bytes.toString('latin1')
      const found = [...text.matchAll(/\d+/g)]
      const one = found.length > 0 ? draw.of(found) : undefined
      return one === undefined
        ? put(draw.of(numbers))
        : Buffer.from(
            text.slice(0, one.index) + draw.of(numbers) + text.slice(one.index + one[0].length),
            'latin1',
          )
    }
    default:
      return put(words.length > 0 ? draw.of(words) : draw.of(numbers), draw.once(3) ? length : 0)
  }
}

/** A line twice, elsewhere, or not at all. */
function lines(bytes: Buffer, draw: Draw): Buffer {
  const list = bytes.toString('latin1').split('\n')
  const [line = ''] = list.splice(draw.below(list.length), draw.once(2) ? 1 : 0)
  if (draw.once(2))
    list.splice(draw.below(list.length + 1), 0, line || draw.of(list.length > 0 ? list : ['']))
  return Buffer.from(list.join('\n'), 'latin1')
}
