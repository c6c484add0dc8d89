/**
 * The tables of `show` and of the live view: which columns, and how a row fills them.
 */
import type { Reports } from '../lib/topology/report.js'
import { parseDuration } from '../lib/values/units.js'
import type { TopologyPolicy } from '../lib/topology/schema.js'
import { formatTable, lineWidth, printJson, printLine, type Cell } from './output.js'

type Tables = {
  /** `keys`: how many columns say what a row is of. Default 1. */
  [What in keyof Reports]: { columns: string[]; keys?: number; cells: (row: Reports[What][number]) => Cell[] }
}

const tables: Tables = {
  ports: {
    keys: 2,
    columns: [
      'FABRIC',
      'PORT',
      'KIND',
      'LEADS TO',
      'STATE',
      'CARRIER',
      'GROUP',
      'VLAN',
      'METHOD',
      'QUEUES',
      'SUPER-FRAMES',
      'INNER MTU',
      'RECEIVED',
      'BYTES',
      'SENT',
      'BYTES',
      'DROPPED',
    ],
    cells: (row) => [
      row.fabric,
      row.port,
      row.kind,
      row.leadsTo,
      row.state,
      row.carrier,
      row.group,
      row.vlan,
      row.method ?? '-',
      row.queues ?? '-',
      row.superFrames?.length ? row.superFrames.join(' ') : '-',
      row.innerMtu,
      row.receivedFrames,
      row.receivedBytes,
      row.transmittedFrames,
      row.transmittedBytes,
      row.dropped,
    ],
  },
  paths: {
    keys: 3,
    columns: [
      'FABRIC',
      'FROM',
      'TO',
      'POLICY',
      'OFFERED',
      'DELIVERED',
      'BYTES',
      'DROPPED',
      'WAITING',
      'IN FLIGHT',
    ],
    cells: (row) => [
      row.fabric,
      row.from,
      row.to,
      describePolicy(row.allowed, row.policy),
      row.offered,
      row.delivered,
      row.deliveredBytes,
      row.dropped,
      row.waiting,
      row.inFlight,
    ],
  },
  addresses: {
    keys: 2,
    columns: ['FABRIC', 'ADDRESS', 'VLAN', 'PORT', 'AGE'],
    cells: ({ fabric, address, vlan, port, age }) => [fabric, address, vlan, port, seconds(age)],
  },
  drops: {
    keys: 2,
    columns: ['FABRIC', 'AT', 'REASON', 'FRAMES', 'ADVICE'],
    cells: ({ fabric, at, reason, frames, advice }) => [fabric, at, reason, frames, advice],
  },
  lateness: {
    columns: ['WORKER', 'DEPARTURES', 'HALF WITHIN', '99 % WITHIN', 'LATEST'],
    cells: ({ worker, count, p50, p99, max }) => [
      worker,
      count,
      ...[p50, p99, max].map((time) => `${(time / 1000).toFixed(1)}us`),
    ],
  },
  hosts: {
    columns: ['HOST', 'INTERFACES', 'NETWORK NAMESPACE'],
    cells: ({ host, interfaces, namespace }) => [host, interfaces.join(' '), namespace],
  },
  runs: {
    columns: ['RUN', 'STATE', 'PROCESS', 'STARTS', 'ENDED', 'COMMAND'],
    cells: ({ run, state, pid, starts, ended, command }) => [
      run,
      state,
      pid === undefined ? '-' : `${pid}`,
      starts,
      ended,
      command,
    ],
  },
  worlds: {
    columns: ['WORLD', 'NODES', 'LINKS', 'STEPS', 'BY THEMSELVES'],
    cells: ({ world, nodes, links, steps, running }) => [world, nodes, links, steps, running ? 'yes' : 'no'],
  },
  links: {
    keys: 2,
    columns: ['WORLD', 'LINK', 'METRES', 'POLICY', 'FABRIC', 'PORTS'],
    cells: ({ world, a, b, distance, policy, fabric, ports }) => [
      world,
      `${a} <> ${b}`,
      distance,
      describePolicy(true, policy),
      fabric,
      ports.join(' '),
    ],
  },
  timeline: {
    keys: 2,
    columns: ['FABRIC', 'ENTRY', 'STEPS', 'NEXT AT', 'ERROR'],
    cells: ({ fabric, entry, taken, next, error }) => [fabric, entry, taken, next ?? '-', error ?? '-'],
  },
}

/** A time as a reader wants it: to a tenth of a second. */
export function seconds(time: string): string {
  return `${(Number(parseDuration(time)) / 1e9).toFixed(1)}s`
}

/** What there are tables of. */
export const tableNames = Object.keys(tables)

export const isTable = (what: string): what is keyof Reports => Object.hasOwn(tables, what)

/** Prints the rows of a report: as a table, or each as JSON. */
export function printRows<What extends keyof Reports>(what: What, rows: Reports[What], json = false): void {
  const { columns, keys = 1, cells } = tables[what]
  if (json) rows.forEach(printJson)
  else formatTable(columns, rows.map(cells), { keys, width: lineWidth() }).forEach(printLine)
}

/** A policy in the words of `etherloom path`, as a shell takes them. */
export function describePolicy(allowed: boolean, policy: TopologyPolicy): string {
  if (!allowed) return 'denied'
  const words = Object.entries(policy).map(([key, value]) => {
    const text = typeof value === 'object' ? JSON.stringify(value) : String(value)
    return `${key}=${/^[\w.,:/%+-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`}`
  })
  return words.join(' ') || 'allowed'
}
