/**
 * The pages of this folder, from the declarations of methods and events: `npm run docs:write` writes them, and a test
 * says when they are stale.
 */
import { controlEvents } from '../../../lib/control/events.js'
import type { AnyMethod } from '../../../lib/control/method.js'
import { controlMethods } from '../../../lib/control/methods/index.js'
import { asJson } from '../../../lib/control/protocol.js'
import { shapeOf, type Rule, type Rules } from '../../../lib/values/options.js'

/** All pages, by their file names. */
export function pages(): Map<string, string> {
  const methods = Object.entries<AnyMethod>(controlMethods)
  return new Map([
    ['README.md', contents(methods)],
    ['events.md', eventsPage()],
    ...methods.map(([name, method]): [string, string] => [`${name}.md`, methodPage(name, method)]),
  ])
}

function contents(methods: [string, AnyMethod][]): string {
  const rows = methods.map(([name, { description }]) => [`[\`${name}\`](${name}.md)`, firstSentence(description)])
  return `# Control methods

What a running instance answers, a page each; [events](events.md) are what it tells by itself. How they are called:
[control protocol](../control-protocol.md).

${table(['method', 'does'], rows)}`
}

function methodPage(name: string, { description, parameters, result, example }: AnyMethod): string {
  const request = { jsonrpc: '2.0', id: 1, method: name, params: example.params }
  const response = { jsonrpc: '2.0', id: 1, result: example.result }
  return `# \`${name}\`

${description}

## Parameters

${keysTable(parameters as Rules, 'None.')}
## Answer

${resultText(result)}
## Example

\`\`\`json
${asJson(request)}
${asJson(response)}
\`\`\`
`
}

function eventsPage(): string {
  const sections = Object.entries(controlEvents).map(
    ([name, { description, keys }]) =>
      `## \`${name}\`\n\n${description}\n\n${keysTable(keys as unknown as Rules, '')}`,
  )
  return `# Events

Sent to connections that [subscribe](subscribe.md), as notifications of the method \`event\`; \`event\` says which.

${sections.join('\n')}`
}

function resultText(rule: Rule<unknown>): string {
  const { form, description = '', expects = '' } = shapeOf(rule)
  if (form.kind === 'mapping') return keysTable(form.keys, 'An empty object.')
  if (form.kind === 'list') return `A list, each entry with:\n\n${resultText(form.entry)}`
  return `${capital(description || expects)}.\n`
}

function keysTable(keys: Rules, none: string): string {
  const rows = Object.entries(keys).map(([key, rule]) => {
    const { description = '', required = false, examples = [] } = shapeOf(rule)
    const such = examples.length === 0 ? '' : `, as ${examples.map((each) => `\`${String(each)}\``).join(' or ')}`
    return [`\`${key}\``, typeOf(rule), required ? 'always' : 'optional', description + such]
  })
  return rows.length === 0 ? `${none}\n` : table(['key', 'type', '', 'meaning'], rows)
}

/** What JSON it is, in a few words. */
function typeOf(rule: Rule<unknown>): string {
  const { form, expects } = shapeOf(rule)
  if (form.kind === 'list') return `list of ${typeOf(form.entry)}`
  if (form.kind !== 'value') return 'object'
  const { type, enum: words } = form.json as { type?: string | string[]; enum?: string[] }
  if (words !== undefined && words.length <= 3) return words.map((word) => `\`${word}\``).join(', ')
  if (typeof type !== 'string') return expects ?? 'any'
  return { string: 'text', integer: 'number', boolean: 'true, false' }[type] ?? type
}

export const table = (headings: string[], rows: string[][]): string =>
  [headings, headings.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |\n`).join('')

const firstSentence = (text: string): string => /^.*?\.(?= |$)/.exec(text)?.[0] ?? text
const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1)
