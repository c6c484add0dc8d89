/**
 * What pages show as code is right: programs have the types of lib/, topologies are valid, commands are words that the command line
 * takes. The word after the fence says what a block is, a second one what it is a part of: `yaml paths`. A block that cannot be held to
 * it says why, in its first line, after `not checked:`.
 */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { expect } from 'chai'
import { CommanderError, type Command } from 'commander'
import ts from 'typescript'
import { parse } from 'yaml'
import { commands } from '../../bin/commands/index.js'
import { pages } from '../../docs/links.js'
import { parseTrace } from '../../lib/policy/lines/trace-file.js'
import { inspectTopology } from '../../lib/topology/load.js'

interface Block {
  /** `PAGE:LINE` of its fence. */
  readonly place: string
  readonly language: string
  readonly part: string
  readonly text: string
}

const root = path.resolve(import.meta.dirname, '../..')

function blocksOf(page: string): Block[] {
  const text = readFileSync(path.join(root, page), 'utf8')
  return [...text.matchAll(/^( *)```(\S*) *(.*)\n((?:.*\n)*?)\1```$/gm)].map((match) => ({
    place: `${page}:${text.slice(0, match.index).split('\n').length}`,
    language: match[2] ?? '',
    part: match[3] ?? '',
    text: (match[4] ?? '').replace(new RegExp(`^${match[1] ?? ''}`, 'gm'), ''),
  }))
}

/** All blocks but those that say why not. */
const blocks = pages()
  .flatMap(blocksOf)
  .filter(({ text }) => !/^\W*not checked: \w/.test(text))

const inLanguages = (...languages: string[]): Block[] =>
  blocks.filter(({ language }) => languages.includes(language))

describe('the code in all pages', () => {
  it('says what it is', () => {
    const known = ['csv', 'ini', 'js', 'json', 'python', 'sh', 'text', 'ts', 'yaml']
    expect(
      blocks.filter(({ language }) => !known.includes(language)).map(({ place }) => place),
    ).to.deep.equal([])
  })

  it('has the types of the library, where it is a program', function () {
    this.timeout('2m') // the compiler reads all of lib/
    const programs = inLanguages('js', 'ts')
    expect(programs.length).to.be.greaterThan(30)
    expect(mistakesInTypes(programs).join('\n')).to.equal('')
  })

  it('prints what is written beside it, where it is runnable', () => {
    const runnable = inLanguages('js').filter(({ part }) => part === 'runnable')
    expect(runnable).to.have.length.greaterThan(0)
    for (const { text, place } of runnable) {
      const printed = execFileSync(process.execPath, ['--input-type=module', '--eval', text], {
        cwd: root,
        encoding: 'utf8',
        timeout: 60_000,
      })
      const told = [...text.matchAll(/console\.log\(.*\) \/\/ (.*)$/gm)].map(([, words]) => words)
      expect(printed.trimEnd().split('\n'), place).to.deep.equal(told)
    }
  })

  it('is valid, where it is a topology or a part of one', async () => {
    for (const { text, part, place } of inLanguages('yaml')) {
      if (parse(text) === null || part === 'of a workflow') continue // a comment; not ours to judge
      const { problems } = await inspectTopology(wholeTopology(text, part, place), 'examples/block.yaml')
      expect(problems, place).to.deep.equal([])
    }
  })

  it('is read, where it is JSON or a trace', () => {
    for (const { text, place } of inLanguages('json'))
      for (const line of asOneOrMore(text)) expect(() => JSON.parse(line) as unknown, place).not.to.throw()
    for (const { text, place } of inLanguages('csv'))
      expect(() => parseTrace(Buffer.from(text), place, 'csv'), place).not.to.throw()
  })

  it('has words that the command line takes, and scripts that there are', async () => {
    const wrong: string[] = []
    for (const { text, place } of inLanguages('sh'))
      for (const words of commandsIn(text))
        await refusal(words).then(
          (why) => why !== undefined && wrong.push(`${place}: ${words.join(' ')}: ${why}`),
        )
    expect(wrong.join('\n')).to.equal('')
    expect(await refusal(['etherloom', 'up', '--nope', 'x.yaml'])).to.include("unknown option '--nope'")
    expect(await refusal(['etherloom', 'path', 'a', 'b', 'dealy=5ms'])).to.include('dealy')
    expect(await refusal(['npm', 'run', 'nope'])).to.include('nope')
  })
})

/** What a program of a page may take for given, unless it declares it itself. */
const given: Readonly<Record<string, string>> = {
  a: 'E.MemoryPort',
  b: 'E.MemoryPort',
  bridge: 'E.Switch',
  core: 'E.Hub',
  edge: 'E.Hub',
  engine: 'E.Engine',
  fd: 'number',
  frame: 'Uint8Array',
  guest: 'E.TapPort',
  handle: '(what: Uint8Array | E.Batch) => void',
  hub: 'E.Hub',
  path: 'E.Path',
  port: 'E.MemoryPort',
  uplink: 'E.TapPort',
  wire: 'E.Wire',
  wires: 'E.Port[]',
}

/** What the compiler says against programs, with the places of their lines. */
function mistakesInTypes(programs: readonly Block[]): string[] {
  const options: ts.CompilerOptions = {
    strict: true,
    exactOptionalPropertyTypes: true,
    noImplicitOverride: true,
    skipLibCheck: true,
    lib: ['lib.es2023.d.ts', 'lib.esnext.disposable.d.ts'],
    target: ts.ScriptTarget.ES2023,
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    paths: {
      etherloom: [path.join(root, 'lib/index.ts')],
      'etherloom/testing': [path.join(root, 'lib/testing/index.ts')],
    },
    types: ['node'],
    rootDir: root,
    noEmit: true,
  }
  const files = new Map(programs.map((block, index) => [path.join(root, 'docs', `block${index}.ts`), block]))
  const host = ts.createCompilerHost(options)
  const real = ts.createCompilerHost(options)
  const sourceOf = (name: string): string | undefined => {
    const block = files.get(name)
    return block && wholeProgram(block.text)
  }
  host.fileExists = (name) => files.has(name) || real.fileExists(name)
  host.readFile = (name) => sourceOf(name) ?? real.readFile(name)
  host.getSourceFile = (name, version, ...rest) => {
    const source = sourceOf(name)
    return source === undefined
      ? real.getSourceFile(name, version, ...rest)
      : ts.createSourceFile(name, source, version)
  }
  const program = ts.createProgram([...files.keys()], options, host)
  return [...files].flatMap(([name, { place }]) => {
    const file = program.getSourceFile(name)
    const found = [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)]
    return found.map(({ messageText, start = 0 }) => {
      const line = file?.text.slice(0, start).split('\n').at(-1) ?? ''
      const rest = file?.text.slice(start).split('\n')[0] ?? ''
      return `${place}: ${line}${rest}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`
    })
  })
}

/** A block as a module: with what it takes for given, and all public names unless it imports some itself. */
function wholeProgram(text: string): string {
  if (text.startsWith('{'))
    return `import type * as E from 'etherloom'\nexport const policy: E.PolicyOptions = ${text}`
  const declares = (name: string): boolean =>
    new RegExp(
      String.raw`^(?:const|let|function|class)\s+(?:${name}\b|[{[][^=]*\b${name}\b)|^import {[^}]*\b${name}\b`,
      'm',
    ).test(text)
  const missing = Object.keys(given).filter((name) => !declares(name))
  const names = publicClasses.filter((name) => new RegExp(`\\b${name}\\b`).test(text) && !declares(name))
  return [
    `import type * as E from 'etherloom'`,
    ...(/^import .*'etherloom'/m.test(text) ? [] : [`import { ${names.join(', ')} } from 'etherloom'`]),
    ...missing.map((name) => `declare const ${name}: ${given[name] ?? ''}`),
    text,
    'export {}',
  ].join('\n')
}

/** Names that etherloom exports and that are written as classes are. */
const publicClasses = [
  ...new Set(
    readFileSync(path.join(root, 'lib/index.ts'), 'utf8').match(/(?<!type )\b[A-Z][A-Za-z]+(?=[ ,])/g),
  ),
]

/** A part of a topology put where it belongs in one. */
function wholeTopology(text: string, part: string, place: string): string {
  const ports = { red: { tap: 'red' }, green: { tap: 'green' } }
  const hub = { kind: 'hub', forwarding: 'deny', ports }
  const keys = parse(text) as object
  switch (part) {
    case '':
      return text
    case 'of a fabric':
      return JSON.stringify({ fabrics: { lab: { ...hub, ...keys } } })
    case 'of ports':
      return JSON.stringify({ fabrics: { lab: { ...hub, ports: keys } } })
    case 'of hosts': {
      const { hosts } = keys as { hosts: object }
      const inside = Object.fromEntries(Object.keys(hosts).map((host) => [host, { host }]))
      return JSON.stringify({ hosts, fabrics: { lab: { ...hub, ports: inside } } })
    }
    default:
      throw new Error(
        `${place}: a part of a topology is 'of a fabric', 'of ports' or 'of hosts', not '${part}'`,
      )
  }
}

/** A value of JSON, or one for each line, as a conversation has them, with the direction before it. */
function asOneOrMore(text: string): string[] {
  try {
    JSON.parse(text)
    return [text]
  } catch {
    return text
      .trimEnd()
      .split('\n')
      .map((line) => line.replace(/^[<>] /, ''))
  }
}

/** The commands of a script for sh, each as its words; what is redirected is left out. */
function commandsIn(script: string): string[][] {
  const tokens = script
    .replace(/\\\n/g, ' ')
    .matchAll(
      /(?<=^|[\s;|&(])#.*|\n|\d*>>?\s*\S+|&&|[|;()&]|<<?\s*\S+|(?:'[^']*'|"[^"]*"|[^\s'"|;&()<>])+|./g,
    )
  const commands: string[][] = [[]]
  for (const [token] of tokens) {
    if (/^\d*>>?|^</.test(token) && !/^<\w+>$/.test(token)) continue
    if (/^(#|\n|&&|[|;()&])/.test(token)) commands.push([])
    else if (token.trim() !== '') commands.at(-1)?.push(token.replace(/'([^']*)'|"([^"]*)"/g, '$1$2'))
  }
  return commands.filter((words) => words.length > 0)
}

/** Why a command is refused before it does anything; nothing where it is taken, or is another program's. */
async function refusal(given: readonly string[]): Promise<string | undefined> {
  const [program, ...words] = ['npx', 'sudo'].includes(given[0] ?? '') ? given.slice(1) : given
  if (program === 'npm') {
    const { scripts } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as {
      scripts: object
    }
    const script = words[0] === 'run' ? words.filter((word) => !word.startsWith('-'))[1] : words[0]
    return Object.hasOwn(scripts, script ?? '') || ['i', 'ci', 'install'].includes(script ?? '')
      ? undefined
      : `no script ${script ?? ''}`
  }
  if (program !== 'etherloom') return undefined
  const [name = '', ...rest] = words
  if (name.startsWith('-')) return ['--help', '--version'].includes(name) ? undefined : `no option ${name}`
  const known = commands.find((command) => command.name() === name)
  if (!known) return `no command ${name}`
  // Reads as the command does, and does nothing.
  const command = Object.create(known) as Command
  const said: string[] = []
  command
    .exitOverride()
    .configureOutput({ writeErr: (text) => said.push(text), writeOut: () => undefined })
    .action(() => undefined)
  try {
    command.parse(rest, { from: 'user' })
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    return error.exitCode === 0 ? undefined : said.join('').trim() || error.message
  }
  return name === 'path' ? policyRefusal(command.args.slice(2)) : undefined
}

/** Why the words of a policy are none. */
async function policyRefusal(words: readonly string[]): Promise<string | undefined> {
  const policy = words.flatMap((word) => {
    const [key = '', ...value] = word.split('=')
    return value.length === 0 ? [] : [[key, parse(value.join('=')) as unknown]]
  })
  const entry = JSON.stringify({
    paths: [{ from: 'red', to: 'green', ...(Object.fromEntries(policy) as object) }],
  })
  const { problems } = await inspectTopology(wholeTopology(entry, 'of a fabric', ''), 'block.yaml')
  return problems.length === 0 ? undefined : problems.map(({ message }) => message).join('; ')
}
