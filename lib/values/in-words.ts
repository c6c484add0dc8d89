/** What is declared of an option, in words. Called by the tables in docs/ and by the help of commands. */
import { shapeOf, type Rule } from './options.js'

/** What the value must be. */
export function valueInWords(rule: Rule<unknown>): string {
  const { required, expects } = shapeOf(rule)
  return `${required ? 'required; ' : ''}${expects ?? formInWords(rule)}`
}

function formInWords(rule: Rule<unknown>): string {
  const { form, expects } = shapeOf(rule)
  switch (form.kind) {
    case 'value':
      return expects ?? ''
    case 'mapping':
    case 'record':
      return 'a mapping'
    case 'list': {
      const words = formInWords(form.entry)
      return words === '' ? 'a list' : `a list, each ${words}`
    }
    case 'either':
      return expects ?? [...new Set(form.branches.map(formInWords))].join(' or ')
  }
}

/** What it is for, and its default, written by `mark`. */
export function meaningInWords(rule: Rule<unknown>, mark: (value: string) => string): string {
  const { description = '', default: fallback } = shapeOf(rule)
  if (fallback === undefined || /[Dd]efault/.test(description)) return description
  return `${description} Default ${mark(typeof fallback === 'string' ? fallback : JSON.stringify(fallback))}.`
}
