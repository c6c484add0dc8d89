/**
 * Which test is running, in whichever runner, and how to be called when it has ended. Called by lab.ts only.
 *
 * Theory of operation. No two runners have the same way:
 *   - node:test has `after`, which belongs to the test from which it is called, also after an `await`.
 *   - vitest has `onTestFinished`, which belongs to the running test; tests that run concurrently have their own.
 *   - mocha and jest take hooks while a file is being read only. So hooks for the whole file are made when this module is
 *     read, and they note which test is running.
 * A test that is given by hand (`{ test }`) says all that itself.
 */
import { createRequire } from 'node:module'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { EtherloomError } from '../values/errors.js'
import { refuse } from '../values/options.js'

/** What became of the test, or the suite, that something was made for. */
export interface Outcome {
  failed: boolean
  /** Its full name, by which people know it. */
  name: string
  /** The file that it is in, where that is known. */
  file: string | undefined
  /** The command that runs it again, without the seed. */
  command: string
}

/** Without an outcome nothing is known of the test. */
export type Teardown = (outcome?: Outcome) => Promise<void>

/**
 * What a lab can be told of the test that it is for: the test context of node:test (`t`), that of vitest (the first
 * parameter of its tests), or that of mocha (`this` of its tests and hooks).
 */
export type TestHandle = NodeTestContext | VitestContext | MochaContext

/** As much of node:test's TestContext as is needed. */
export interface NodeTestContext {
  /** The name of the test. */
  readonly name: string
  /** Has a function called when the test has ended. */
  after(hook: (...context: never[]) => unknown): void
}

/** As much of vitest's TestContext as is needed. */
export interface VitestContext {
  /** The test. */
  readonly task: object
  /** Has a function called when the test has ended. */
  onTestFinished(hook: (...context: never[]) => unknown): void
}

/** As much of mocha's Context as is needed. */
export interface MochaContext {
  /** The test or hook that runs. */
  readonly test?: object | undefined
  /** The test that a hook runs for. */
  readonly currentTest?: object | undefined
}

/** Calls `teardown` when the running test, or the given one, has ended. @throws EtherloomError ERR_ETHERLOOM_STATE */
export async function whenTestEnds(teardown: Teardown, given: TestHandle | undefined): Promise<void> {
  if (given !== undefined) {
    if (isNodeTest(given)) afterNodeTest(given, teardown)
    else if (isVitest(given)) given.onTestFinished(() => teardown(vitestOutcome(given.task as VitestTask)))
    else if (isMocha(given)) afterMochaRunnable(mochaRunnable(given) as Runnable, teardown)
    else
      refuse(
        "option 'test' of lab",
        "a test's context: 't' of node:test, the context of vitest, 'this' of mocha",
        given,
      )
    return
  }
  if (process.env.VITEST !== undefined) return afterVitest(teardown)
  if (process.env.JEST_WORKER_ID !== undefined) {
    afterJest(teardown)
    return
  }
  if (mochaHook('afterEach')) {
    afterMocha(teardown)
    return
  }
  if (process.env.NODE_TEST_CONTEXT !== undefined) return afterRunningNodeTest(teardown)
  throw noTest('no test is running, or its runner is not known')
}

const noTest = (why: string): EtherloomError =>
  new EtherloomError('ERR_ETHERLOOM_STATE', `${why}, so nobody would close the lab`, {
    hint: "give lab() the test's context as 'test', or 'test: false' and close the lab yourself",
  })

/** A word for the shell. */
export const shellWord = (text: string): string =>
  /^[\w./:=@%+-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`

/** A pattern that only this text matches, or what has it in it. */
const escaped = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|]/g, String.raw`\$&`)

const fileWord = (file: string | undefined): string =>
  file === undefined ? '' : ` ${shellWord(path.relative(process.cwd(), file) || file)}`

// ---- node:test ----

interface NodeOutcome {
  name?: string
  fullName?: string
  passed?: boolean
  /** Of a test that failed; null while one has not ended. */
  error?: unknown
}

const isNodeTest = (given: TestHandle): given is NodeTestContext =>
  'after' in given && typeof given.after === 'function' && 'name' in given

const nodeOutcome = ({ name = 'a test', fullName = name }: NodeOutcome, failed: boolean): Outcome => ({
  failed,
  name: fullName,
  file: process.argv[1],
  command: `node${nodeWords(process.execArgv)} --test --test-name-pattern=${shellWord(escaped(name))}${fileWord(process.argv[1])}`,
})

/** The options of Node itself, such as `--import=tsx`, without those that choose tests and the words that follow these. */
function nodeWords(given: readonly string[]): string {
  const kept = given.filter((word, index) => {
    const option = word.startsWith('-') ? word : given[index - 1]
    return option?.startsWith('--test') !== true
  })
  return kept.map((word) => ` ${shellWord(word)}`).join('')
}

function afterNodeTest(context: NodeTestContext & NodeOutcome, teardown: Teardown): void {
  context.after(() => teardown(nodeOutcome(context, context.passed === false)))
}

async function afterRunningNodeTest(teardown: Teardown): Promise<void> {
  const { after } = await import('node:test')
  after((async (context: NodeOutcome = {}) => {
    const hook = runningNodeHook(context)
    if (hook === undefined) {
      await teardown(nodeOutcome(context, context.passed === false))
      return
    }
    await teardown()
    throw noTest(`${hook} of node:test is running and no test`)
  }) as () => void)
}

/**
 * The hook by which `after` was called: it is then called back at the end of that hook, and there is no word of the end of
 * the test or the suite. The context of the whole file has no full name: to ask for that throws.
 */
function runningNodeHook(context: NodeOutcome): string | undefined {
  if (context.passed === undefined || context.name === '<root>') return "a 'before'"
  return !context.passed && context.error === null ? "a 'beforeEach'" : undefined
}

// ---- vitest ----

interface VitestTask {
  name: string
  suite?: VitestTask
  file: { filepath: string }
  result?: { state?: string; errors?: unknown[] }
}

const isVitest = (given: TestHandle): given is VitestContext =>
  'task' in given && 'onTestFinished' in given && typeof given.onTestFinished === 'function'

function vitestOutcome(task: VitestTask): Outcome {
  const names = (task: VitestTask | undefined): string[] => (task ? [...names(task.suite), task.name] : [])
  const words = names(task)
  return {
    failed: task.result?.state === 'fail' || (task.result?.errors?.length ?? 0) > 0,
    name: words.join(' > '),
    file: task.file.filepath,
    command: `npx vitest run${fileWord(task.file.filepath)} -t ${shellWord(escaped(words.join(' ')))}`,
  }
}

async function afterVitest(teardown: Teardown): Promise<void> {
  const { onTestFinished } = await ownVitest()
  try {
    onTestFinished(({ task }: { task: VitestTask }) => teardown(vitestOutcome(task)))
  } catch {
    throw noTest('no test of vitest is running')
  }
}

/** That of the project whose tests run: this package may lie where no other would be found. */
async function ownVitest(): Promise<{
  onTestFinished: (hook: (context: { task: VitestTask }) => Promise<void>) => void
}> {
  try {
    const manifest = createRequire(path.join(process.cwd(), 'tests.js')).resolve('vitest/package.json')
    return (await import(pathToFileURL(path.join(path.dirname(manifest), 'dist/index.js')).href)) as never
  } catch {
    throw noTest('vitest cannot be found from the current directory')
  }
}

// ---- jest ----

interface JestTest {
  name: string
  parent?: JestTest
  errors?: unknown[]
}

type Hook = (this: MochaContext, ...given: never[]) => unknown
type Hooks = Partial<Record<'beforeEach' | 'afterEach' | 'setup' | 'teardown', unknown>>

const jest = {
  attached: false,
  test: undefined as JestTest | undefined,
  someFailed: false,
  ofTest: [] as Teardown[],
  ofFile: [] as Teardown[],
}

/** The running test, which jest-circus notes under a symbol of its own. */
function runningJestTest(): JestTest | undefined {
  const key = Object.getOwnPropertySymbols(globalThis).find(
    ({ description }) => description === 'JEST_STATE_SYMBOL',
  )
  const state =
    key && (globalThis as unknown as Record<symbol, { currentlyRunningTest?: JestTest | null }>)[key]
  return state?.currentlyRunningTest ?? undefined
}

function jestOutcome(test: JestTest | undefined, failed: boolean): Outcome {
  const names = (each: JestTest | undefined): string[] =>
    each === undefined || each.name === 'ROOT_DESCRIBE_BLOCK' ? [] : [...names(each.parent), each.name]
  const { expect } = globalThis as { expect?: { getState(): { testPath?: string } } }
  const file = expect?.getState().testPath
  const words = names(test)
  const only = words.length > 0 ? ` -t ${shellWord(escaped(words.join(' ')))}` : ''
  return {
    failed,
    name: words.length > 0 ? words.join(' > ') : path.basename(file ?? 'a file'),
    file,
    command: `NODE_OPTIONS=--experimental-vm-modules npx jest${fileWord(file)}${only}`,
  }
}

function attachToJest(): void {
  const { beforeEach, afterEach, afterAll } = globalThis as unknown as Record<
    string,
    (hook: () => unknown) => void
  >
  if (!beforeEach || !afterEach || !afterAll) return
  beforeEach(() => {
    jest.test = runningJestTest()
  })
  afterEach(async () => {
    const test = jest.test
    jest.test = undefined
    const failed = (test?.errors?.length ?? 0) > 0
    jest.someFailed ||= failed
    await all(jest.ofTest, jestOutcome(test, failed))
  })
  afterAll(async () => {
    await all(jest.ofFile, jestOutcome(undefined, jest.someFailed))
  })
  jest.attached = true
}

function afterJest(teardown: Teardown): void {
  if (!jest.attached) throw noTest("'etherloom/testing' was not imported at the beginning of the test file")
  ;(jest.test ? jest.ofTest : jest.ofFile).push(teardown)
}

/** Every one of them, the last first, also where one fails. */
async function all(teardowns: Teardown[], outcome: Outcome): Promise<void> {
  const errors: unknown[] = []
  for (const teardown of teardowns.splice(0).reverse())
    await teardown(outcome).catch((error: unknown) => errors.push(error))
  if (errors.length > 0) throw errors[0]
}

// ---- mocha ----

/** As much of mocha's Suite as is needed, all of it documented. */
interface Suite {
  parent?: Suite
  title: string
  file?: string
  afterAll(hook: Hook): unknown
  afterEach(hook: Hook): unknown
  eachTest(visit: (test: Runnable) => void): unknown
  fullTitle(): string
}

interface Runnable {
  type?: string
  title: string
  parent?: Suite
  state?: string
  file?: string
  isPending?(): boolean
  fullTitle(): string
}

const mocha = {
  /** The global function by which the hooks were made, which each run of mocha in this process has of its own. */
  attachedBy: undefined as unknown,
  test: undefined as Runnable | undefined,
  ofTest: new WeakMap<Runnable, Teardown[]>(),
  /** Made in `before`, for a suite that is known with its first test. */
  ofSuite: [] as Teardown[],
  roots: new WeakSet<Suite>(),
}

/** What a context is of: within `before` its `currentTest` is the first test, though the hook is for all of them. */
function mochaRunnable({ currentTest, test }: MochaContext): Partial<Runnable> | undefined {
  const { type, title } = (test ?? {}) as Partial<Runnable>
  const ofSuite = type === 'hook' && title?.startsWith('"before all" hook') === true
  return (ofSuite ? test : (currentTest ?? test)) ?? undefined
}

const isMocha = (given: TestHandle): given is MochaContext =>
  typeof mochaRunnable(given as MochaContext)?.fullTitle === 'function'

const mochaHook = (name: 'beforeEach' | 'afterEach'): ((hook: Hook) => void) | undefined => {
  const hooks = globalThis as Hooks
  const found = hooks[name] ?? hooks[name === 'beforeEach' ? 'setup' : 'teardown']
  return typeof found === 'function' ? (found as (hook: Hook) => void) : undefined
}

function beforeMochaTest(this: MochaContext): void {
  mocha.attachedBy = mochaHook('afterEach')
  mocha.test = this.currentTest as Runnable
  for (const teardown of mocha.ofSuite.splice(0)) afterMochaSuite(outermost(mocha.test), teardown)
}

async function afterMochaTest(this: MochaContext): Promise<void> {
  const test = this.currentTest as Runnable
  mocha.test = undefined
  await all(mocha.ofTest.get(test) ?? [], mochaOutcome(test, testFailed(test)))
}

/** For what was made in a `before` that no test followed, since it failed. */
async function afterMochaFiles(): Promise<void> {
  await all(mocha.ofSuite, { failed: true, name: 'before all', file: undefined, command: 'npx mocha' })
}

/**
 * Hooks for mocha: `mocha --require etherloom/testing` has them in every file, which it needs with `--parallel`. Else they
 * are made where a test file imports this.
 */
export const mochaHooks = {
  /** Notes that there are hooks in every file. */
  beforeAll: (): void => {
    mocha.attachedBy = mochaHook('afterEach')
  },
  /** Notes which test runs. */
  beforeEach: beforeMochaTest,
  /** Closes the labs of the test. */
  afterEach: afterMochaTest,
  /** Closes what no test followed. */
  afterAll: afterMochaFiles,
}

/** The outermost describe block of a test; the file where it is in none. */
function outermost(test: Runnable): Suite {
  let suite = test.parent as Suite
  while (suite.parent?.parent) suite = suite.parent
  return suite
}

/** One that has no state was ended by a hook. */
const testFailed = (test: Runnable): boolean =>
  test.state === 'failed' || (test.state === undefined && test.isPending?.() !== true)

function mochaOutcome(of: Runnable | Suite, failed: boolean): Outcome {
  const name = of.fullTitle()
  return {
    failed,
    name: name === '' ? path.basename(of.file ?? 'a file') : name,
    file: of.file,
    command: `npx mocha${fileWord(of.file)}${name === '' ? '' : ` --fgrep ${shellWord(name)}`}`,
  }
}

function afterMocha(teardown: Teardown): void {
  if (mocha.attachedBy !== mochaHook('afterEach'))
    throw noTest(
      "'etherloom/testing' was not imported at the beginning of the test file, nor by mocha's --require",
    )
  if (mocha.test) noteOfTest(mocha.test, teardown)
  else mocha.ofSuite.push(teardown)
}

const noteOfTest = (test: Runnable, teardown: Teardown): void => {
  mocha.ofTest.set(test, [...(mocha.ofTest.get(test) ?? []), teardown])
}

/** A test, or a hook of a suite. */
function afterMochaRunnable(runnable: Runnable, teardown: Teardown): void {
  const suite = runnable.parent as Suite
  if (runnable.type === 'hook') {
    afterMochaSuite(suite, teardown)
    return
  }
  let root = suite
  while (root.parent) root = root.parent
  noteOfTest(runnable, teardown)
  if (mocha.roots.has(root)) return
  mocha.roots.add(root)
  root.afterEach(afterMochaTest)
}

function afterMochaSuite(suite: Suite, teardown: Teardown): void {
  suite.afterAll(() => {
    let failed = false
    suite.eachTest((test) => (failed ||= test.state === 'failed'))
    return teardown(mochaOutcome(suite, failed))
  })
}

function attachToMocha(): void {
  const [beforeEach, afterEach] = [mochaHook('beforeEach'), mochaHook('afterEach')]
  if (!beforeEach || !afterEach) return
  const { after, suiteTeardown = after } = globalThis as unknown as Record<
    string,
    ((hook: Hook) => void) | undefined
  >
  beforeEach(beforeMochaTest)
  afterEach(afterMochaTest)
  suiteTeardown?.(afterMochaFiles)
  mocha.attachedBy = afterEach
}

if (process.env.VITEST === undefined) {
  if (process.env.JEST_WORKER_ID === undefined) attachToMocha()
  else attachToJest()
}
