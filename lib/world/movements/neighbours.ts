/**
 * Which nodes are near each other. Called by movements that know positions.
 *
 * Theory of operation. The plane is cut into squares as wide as the reach, so that the neighbours of a node stand in its
 * own square and the eight around it. Each pair of squares is looked at from one of them, so each pair of nodes once.
 * With few nodes per square the work is that of the pairs that are near, not that of all.
 */
import type { Distances } from '../distances.js'

/** Lists every pair that is at most `reach` metres apart, rounded to whole metres. Positions are x and y of each node. */
export function listNeighbours(positions: Float64Array, reach: number, distances: Distances): void {
  distances.clear({ complete: true })
  const nodes = positions.length / 2
  if (nodes < 2 || reach < 0) return
  const bound = (Math.min(reach, 1e9) + 0.5) ** 2
  const consider = (a: number, b: number): void => {
    const dx = (positions[2 * a] as number) - (positions[2 * b] as number)
    const dy = (positions[2 * a + 1] as number) - (positions[2 * b + 1] as number)
    const square = dx * dx + dy * dy
    if (square <= bound) distances.add(a, b, Math.sqrt(square))
  }

  const grid = gridOf(positions, nodes, reach + 0.5)
  if (!grid) {
    for (let a = 0; a < nodes; a++) for (let b = a + 1; b < nodes; b++) consider(a, b)
    return
  }
  const { columns, cellOf, first, next } = grid
  const rows = first.length / columns
  for (let a = 0; a < nodes; a++) {
    for (let b = next[a] as number; b >= 0; b = next[b] as number) consider(a, b)
    const cell = cellOf[a] as number
    const [column, row] = [cell % columns, Math.floor(cell / columns)]
    for (const [right, down] of halfAround) {
      const [c, r] = [column + right, row + down]
      if (c < 0 || c >= columns || r >= rows) continue
      for (let b = first[r * columns + c] as number; b >= 0; b = next[b] as number) consider(a, b)
    }
  }
}

/** The squares around one that are looked at from it; from the others it is looked at. */
const halfAround = [
  [1, 0],
  [-1, 1],
  [0, 1],
  [1, 1],
] as const

interface Grid {
  columns: number
  /** The square of each node. */
  cellOf: Int32Array
  /** The first node of each square, or -1. */
  first: Int32Array
  /** The next node in the same square, or -1. */
  next: Int32Array
}

/** Undefined where all nodes stand in a few squares: then it would not spare anything. */
function gridOf(positions: Float64Array, nodes: number, reach: number): Grid | undefined {
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity]
  for (let node = 0; node < nodes; node++) {
    const [x, y] = [positions[2 * node] as number, positions[2 * node + 1] as number]
    left = Math.min(left, x)
    right = Math.max(right, x)
    top = Math.min(top, y)
    bottom = Math.max(bottom, y)
  }
  // Wider squares are right too; no more of them than a few for each node.
  const width = Math.max(reach, (right - left) / Math.sqrt(4 * nodes), (bottom - top) / Math.sqrt(4 * nodes))
  const columns = Math.floor((right - left) / width) + 1
  const rows = Math.floor((bottom - top) / width) + 1
  if (!(columns * rows > 9)) return undefined // also where the reach has no end
  const cellOf = new Int32Array(nodes)
  const first = new Int32Array(columns * rows).fill(-1)
  const next = new Int32Array(nodes)
  for (let node = nodes - 1; node >= 0; node--) {
    const column = Math.floor(((positions[2 * node] as number) - left) / width)
    const row = Math.floor(((positions[2 * node + 1] as number) - top) / width)
    const cell = row * columns + column
    cellOf[node] = cell
    next[node] = first[cell] as number
    first[cell] = node
  }
  return { columns, cellOf, first, next }
}
