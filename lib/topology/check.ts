/**
 * Checks a parsed topology, or a policy, and puts every mistake into a sentence with the place it is at.
 * Called by load.ts for files, by Network for topologies built in a program, and by the command line for policies.
 */
import { z } from 'zod'
import { suggestion } from '../values/options.js'
import { topologyIn } from './files.js'
import type { Place, Problem } from '../values/problem.js'
import type { Plan } from './plan.js'
import { planOf } from './resolve.js'
import { policySchema, seeBranches, topologyJsonSchema, topologySchema } from './schema.js'
import type { Topology, TopologyPolicy } from './schema.js'
import { warnOf } from './warnings.js'

/** `warnings` are about what is valid and looks wrong. */
export type Checked =
  { topology: Topology; plan: Plan; problems: []; warnings: Problem[] } | { problems: Problem[] }

/**
 * The topology that `data` states, with everything resolved, or all that is wrong with it. Files that it names are
 * relative to `folder`, by default that of the process.
 */
export function checkTopology(data: unknown, folder = '.'): Checked {
  const parsed = topologySchema.safeParse(data)
  if (!parsed.success) return { problems: describeIssues(parsed.error, data, topologyJsonSchema()) }
  const problems: Problem[] = []
  const topology = topologyIn(folder, parsed.data)
  const plan = planOf(topology, (place, message, at = 'value') => problems.push({ place, at, message }))
  if (problems.length > 0) return { problems }
  const warnings: Problem[] = []
  warnOf(plan, data, (place, message, at = 'value') => warnings.push({ place, at, message }))
  return { topology, plan, problems: [], warnings }
}

/** The policy that `data` states, or all that is wrong with it. */
export function checkPolicy(data: unknown): { policy: TopologyPolicy } | { problems: Problem[] } {
  const parsed = policySchema.safeParse(data)
  if (parsed.success) return { policy: parsed.data }
  return {
    problems: describeIssues(parsed.error, data, z.toJSONSchema(policySchema, { io: 'input' }) as SchemaNode),
  }
}

/** The part of JSON Schema that zod writes for us. */
interface SchemaNode {
  properties?: Record<string, SchemaNode>
  additionalProperties?: SchemaNode | false
  items?: SchemaNode
  anyOf?: SchemaNode[]
  oneOf?: SchemaNode[]
  required?: string[]
  const?: string
}

type Issue = z.core.$ZodIssue

function describeIssues(error: z.ZodError, data: unknown, schema: SchemaNode): Problem[] {
  return error.issues.flatMap((issue) => describe(issue, [], data, schema))
}

/** The problems that an issue stands for; `prefix` leads to what its path is relative to. */
function describe(issue: Issue, prefix: Place, data: unknown, schema: SchemaNode): Problem[] {
  const place = [...prefix, ...(issue.path as (string | number)[])]
  const value = valueAt(data, place)
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => unknownKey([...place, key], nodesAt(schema, place)))
  if (issue.code === 'invalid_key')
    return [{ place, at: 'key', message: `name '${place.at(-1)}' ${issue.issues[0]?.message}` }]
  if (value === undefined) return [missing(place)]
  if (issue.code === 'invalid_union' && issue.errors.length === 0)
    return [unknownWord(place, value, nodesAt(schema, place))]
  if (issue.code === 'invalid_union' && issue.message === seeBranches && isMapping(value)) {
    const nodes = nodesAt(schema, place)
    const branches = issue.errors.map((issues, index) => ({ issues, given: given(nodes[index], value) }))
    const best = branches.reduce((one, other) => (closer(other, one) ? other : one))
    if (best.given > 0) return best.issues.flatMap((inner) => describe(inner, place, data, schema))
    return withoutKind(value, place, nodes)
  }
  return [{ place, at: 'value', message: `${subjectOf(place)} ${expectation(issue)}` }]
}

/** What to say of a wrong value: the leaf's own words, or what kind of container it should have been. */
function expectation(issue: Issue): string {
  if (issue.code === 'invalid_type' && issue.expected === 'array') return 'must be a list'
  if (issue.code === 'invalid_type' && ['object', 'record'].includes(issue.expected))
    return 'must be a mapping'
  if (issue.code === 'invalid_union' && issue.message === seeBranches) return 'must be a mapping'
  if (issue.code === 'too_small')
    return `must have at least ${issue.minimum} entr${issue.minimum === 1 ? 'y' : 'ies'}`
  return issue.message
}

/** A mapping that fits no branch of a union: a misspelt key if there is one, else what it lacks. */
function withoutKind(value: object, place: Place, branches: SchemaNode[]): Problem[] {
  const words = branches.flatMap(wordsOf)
  const unknown = Object.keys(value).filter((key) => !words.includes(key))
  if (unknown.length > 0) return unknown.map((key) => unknownKey([...place, key], branches))
  const kinds = new Set(
    branches.map((branch) => (branch.required ?? []).map((key) => `'${key}'`).join(' and ')),
  )
  return [{ place, at: 'value', message: `${subjectOf(place)} must have ${[...kinds].join(' or ')}` }]
}

/** Which of two branches says better what was meant: the one of which more is given, then fewer mistakes. */
function closer(one: { issues: Issue[]; given: number }, other: { issues: Issue[]; given: number }): boolean {
  return one.given === other.given ? one.issues.length < other.issues.length : one.given > other.given
}

/** How many of the keys that a branch insists on are given. */
function given(branch: SchemaNode | undefined, value: object): number {
  return (branch?.required ?? []).filter((key) => Object.hasOwn(value, key)).length
}

function unknownKey(place: Place, nodes: SchemaNode[]): Problem {
  const key = String(place.at(-1))
  const words = [...new Set(nodes.flatMap(wordsOf))]
  const message = words.includes(key)
    ? `'${key}' does not go with the other keys here`
    : `unknown key '${key}'${suggestion(key, words) || `; known here: ${words.join(', ')}`}`
  return { place, at: 'key', message }
}

/** A word that should have been one of those that tell the branches of a union apart. */
function unknownWord(place: Place, value: unknown, nodes: SchemaNode[]): Problem {
  const word = typeof value === 'string' ? value : JSON.stringify(value)
  const words = nodes.flatMap((node) => node.const ?? [])
  const expected = words.map((known) => `'${known}'`).join(' or ')
  const message = `${subjectOf(place)} must be ${expected}, not '${word}'${suggestion(word, words)}`
  return { place, at: 'value', message }
}

/** A required key that is absent, reported at the mapping that lacks it. */
function missing(place: Place): Problem {
  const owner = place.slice(0, -1)
  return { place: owner, at: 'key', message: `${subjectOf(owner)} needs '${place.at(-1)}'` }
}

/** The words for what stands at a place: its key, with its index when it is an entry of a list. */
function subjectOf(place: Place): string {
  const last = place.at(-1)
  if (last === undefined) return 'the topology'
  return typeof last === 'number' ? `entry ${last + 1} of ${subjectOf(place.slice(0, -1))}` : `'${last}'`
}

/** The schema's nodes for a place: one, or every branch of a union. */
function nodesAt(schema: SchemaNode, place: Place): SchemaNode[] {
  let nodes = branchesOf(schema)
  for (const step of place)
    nodes = nodes
      .flatMap((node) =>
        typeof step === 'number'
          ? (node.items ?? [])
          : (node.properties?.[step] ??
            (node.additionalProperties === false ? [] : (node.additionalProperties ?? []))),
      )
      .flatMap(branchesOf)
  return nodes
}

function branchesOf(node: SchemaNode): SchemaNode[] {
  return (node.anyOf ?? node.oneOf)?.flatMap(branchesOf) ?? [node]
}

function wordsOf(node: SchemaNode): string[] {
  return Object.keys(node.properties ?? {})
}

function valueAt(data: unknown, place: Place): unknown {
  let value = data
  for (const step of place) value = (value as Record<string | number, unknown> | null | undefined)?.[step]
  return value
}

function isMapping(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
