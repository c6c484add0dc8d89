/**
 * The JSON Schema (draft 2020-12) of declared options, for editors. Called by the build, which publishes it.
 * What stands under several keys is written once, in `$defs`, and referred to.
 */
import { requiredKeys, shapeOf, type Rule, type Rules } from './options.js'

type Node = Record<string, unknown>

export function jsonSchema(title: string, rule: Rule<unknown>): Node {
  const uses = new Map<Rule<unknown>, number>()
  count(rule, uses)
  const writer = new Writer(uses)
  const root = writer.write(rule)
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title,
    ...root,
    ...(writer.defs.size > 0 && { $defs: Object.fromEntries(writer.defs) }),
  }
}

/** How often each rule is come upon; what is below one that is known already counts once. */
function count(rule: Rule<unknown>, uses: Map<Rule<unknown>, number>): void {
  const before = uses.get(rule) ?? 0
  uses.set(rule, before + 1)
  if (before === 0) for (const part of partsOf(rule)) count(part, uses)
}

function partsOf(rule: Rule<unknown>): readonly Rule<unknown>[] {
  const { form } = shapeOf(rule)
  switch (form.kind) {
    case 'value':
      return []
    case 'mapping':
      return Object.values(form.keys)
    case 'record':
      return [form.each]
    case 'list':
      return [form.entry]
    case 'either':
      return form.branches
  }
}

class Writer {
  readonly defs = new Map<string, Node>()
  readonly #names = new Map<Rule<unknown>, string>()

  constructor(readonly uses: ReadonlyMap<Rule<unknown>, number>) {}

  /** What stands at a key: in place where it is the only one, else a reference. */
  at(key: string, rule: Rule<unknown>): Node {
    if ((this.uses.get(rule) ?? 0) < 2) return this.write(rule)
    let name = this.#names.get(rule)
    if (name === undefined) {
      name = key
      for (let number = 2; this.defs.has(name); number++) name = `${key}${number}`
      this.#names.set(rule, name)
      this.defs.set(name, {}) // its place
      this.defs.set(name, this.write(rule))
    }
    return { $ref: `#/$defs/${name}` }
  }

  write(rule: Rule<unknown>): Node {
    const { description, examples, default: fallback, form } = shapeOf(rule)
    return {
      ...this.#form(rule),
      ...(description !== undefined && { description }),
      ...(fallback !== undefined && isJson(fallback) && { default: fallback }),
      ...(examples && form.kind !== 'list' && { examples }),
    }
  }

  #form(rule: Rule<unknown>): Node {
    const { form } = shapeOf(rule)
    switch (form.kind) {
      case 'value':
        return { ...form.json }
      case 'mapping': {
        const keys = { type: 'object', ...this.#keys(form.keys), additionalProperties: false }
        return form.empty ? { anyOf: [keys, { type: 'null' }] } : keys
      }
      case 'record': {
        const { json } = shapeOf(form.names).form as { json: Node }
        const { pattern } = json
        return {
          type: 'object',
          ...(typeof pattern === 'string' && { propertyNames: { pattern } }),
          additionalProperties: this.at('entry', form.each),
        }
      }
      case 'list': {
        const { entry, min, max } = form
        return {
          type: 'array',
          items: this.at('entry', entry),
          ...(min > 0 && { minItems: min }),
          ...(max !== undefined && { maxItems: max }),
        }
      }
      case 'either':
        return { anyOf: form.branches.map((branch) => this.at('shape', branch)) }
    }
  }

  #keys(keys: Rules): Node {
    const entries = Object.entries(keys)
    const required = requiredKeys(keys)
    return {
      properties: Object.fromEntries(entries.map(([key, rule]) => [key, this.at(key, rule)])),
      ...(required.length > 0 && { required }),
    }
  }
}

const isJson = (value: unknown): boolean => ['string', 'number', 'boolean'].includes(typeof value)
