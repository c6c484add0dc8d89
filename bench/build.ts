// Makes what the benchmark runs, when its source is newer: the C programs of bench/native, and bench/programs as plain
// JavaScript, so that their processes hold the library and Node as users have them and no TypeScript loader.

import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { extname, join, parse } from 'node:path'
import { fileURLToPath } from 'node:url'
import { run } from './children.js'

const sources = fileURLToPath(new URL('.', import.meta.url))
const root = fileURLToPath(new URL('..', import.meta.url))
const output = join(root, 'build/bench')

/** The path of a built program. */
export function built(program: string): string {
  return join(output, program)
}

/** Whether the library itself is there to be measured. */
export async function libraryIsBuilt(): Promise<boolean> {
  return (await modified(join(root, 'dist/lib/index.js'))) > 0
}

export async function build(): Promise<void> {
  await mkdir(output, { recursive: true })
  await each('native', '.c', '', ['.h'], (source, target) =>
    run(['gcc', '-std=c17', '-O2', '-pthread', '-Wall', '-Wextra', '-o', target, source]),
  )
  await each('programs', '.ts', '.js', [], async (source, target) => {
    const { default: typescript } = await import('typescript')
    const { ModuleKind, ScriptTarget } = typescript
    const { outputText } = typescript.transpileModule(await readFile(source, 'utf8'), {
      compilerOptions: { module: ModuleKind.ESNext, target: ScriptTarget.ES2023 },
    })
    await writeFile(target, outputText)
  })
}

/** Makes every target that is older than its source, or than a file of its folder that may be included. */
async function each(
  folder: string,
  from: string,
  to: string,
  included: readonly string[],
  make: (source: string, target: string) => Promise<unknown>,
): Promise<void> {
  const files = (await readdir(join(sources, folder))).map((file) => join(sources, folder, file))
  const shared = files.filter((file) => included.includes(extname(file)))
  for (const source of files.filter((file) => extname(file) === from)) {
    const target = built(parse(source).name + to)
    const newest = Math.max(...(await Promise.all([source, ...shared].map(modified))))
    if (newest > (await modified(target))) await make(source, target)
  }
}

/** When a file was last written; 0 if there is none. */
async function modified(file: string): Promise<number> {
  return stat(file).then(
    ({ mtimeMs }) => mtimeMs,
    () => 0,
  )
}
