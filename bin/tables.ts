/**
 * The tables of `show` and of the live view: which columns, and how a row fills them.
 */
import type { Reports } from '../lib/topology/report.js'
import { parseDuration } from '../lib/values/units.js'
import type { TopologyPolicy } from '../lib/topology/schema.js'
import type { Cell } from './output.js'

type Tables = {
  [What in keyof Reports]: { columns: string[]; cells: (row: Reports[What][number]) => Cell[] }
}

export const tables: Tables = {
  ports: {
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
      row.receivedFrames,
      row.receivedBytes,
      row.transmittedFrames,
      row.transmittedBytes,
      row.dropped,
    ],
  },
  paths: {
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
    columns: ['FABRIC', 'ADDRESS', 'VLAN', 'PORT', 'AGE'],
    cells: ({ fabric, address, vlan, port, age }) => [fabric, address, vlan, port, seconds(age)],
  },
  drops: {
    columns: ['FABRIC', 'AT', 'REASON', 'FRAMES'],
    cells: ({ fabric, at, reason, frames }) => [fabric, at, reason, frames],
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
  worlds: {
    columns: ['WORLD', 'NODES', 'LINKS', 'STEPS', 'BY THEMSELVES'],
    cells: ({ world, nodes, links, steps, running }) => [world, nodes, links, steps, running ? 'yes' : 'no'],
  },
  links: {
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
    columns: ['FABRIC', 'ENTRY', 'STEPS', 'NEXT AT', 'ERROR'],
    cells: ({ fabric, entry, taken, next, error }) => [fabric, entry, taken, next ?? '-', error ?? '-'],
  },
}

/** An age as a reader wants it: to a tenth of a second. */
function seconds(age: string): string {
  return `${(Number(parseDuration(age)) / 1e9).toFixed(1)}s`
}

export const isTable = (what: string): what is keyof Reports => Object.hasOwn(tables, what)

/** A policy in the words of `etherloom path`, as a shell takes them. */
export function describePolicy(allowed: boolean, policy: TopologyPolicy): string {
  if (!allowed) return 'denied'
  const words = Object.entries(policy).map(([key, value]) => {
    const text = typeof value === 'object' ? JSON.stringify(value) : String(value)
    return `${key}=${/^[\w.,:/%+-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`}`
  })
  return words.join(' ') || 'allowed'
}
