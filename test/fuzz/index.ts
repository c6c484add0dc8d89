/**
 * `node --import=tsx test/fuzz/index.ts NAME --seconds N [--seed S] [--keep]`, as scripts/fuzz.mjs starts it: fuzzes a
 * target of targets/, and prints its executions as JSON. What it finds is written to build/fuzz/NAME-crash-*, and so is
 * what it was about to try, so that an input that ends the process is known. --keep stores the short inputs that reach most.
 */
import { createHash } from 'node:crypto'
import {
  closeSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { parseArgs } from 'node:util'
import { stored, targetNamed } from './corpus.js'
import { fuzz } from './fuzzer.js'

const { values, positionals } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    seed: { type: 'string', default: '1' },
    keep: { type: 'boolean', default: false },
  },
  allowPositionals: true,
})
const [name = ''] = positionals
const target = await targetNamed(name)
const { folder, inputs } = stored(name)
mkdirSync('build/fuzz', { recursive: true })
const trying = `build/fuzz/${name}-trying`
const descriptor = openSync(trying, 'w')
const end = performance.now() + 1000 * Number(values.seconds)
const seed = Number(values.seed)
const { executions, kept, found } = await fuzz(target, inputs, {
  seed,
  until: () => performance.now() > end,
  before: (input) => {
    ftruncateSync(descriptor)
    writeSync(descriptor, input, 0, input.length, 0)
  },
})
closeSync(descriptor)
rmSync(trying)
await target.close?.()
const nameOf = (input: Buffer): string => createHash('sha1').update(input).digest('hex').slice(0, 12)
if (values.keep) {
  const short = [...kept].filter(({ length }) => length <= 400).slice(-24)
  mkdirSync(folder, { recursive: true })
  for (const file of readdirSync(folder)) if (/^[\da-f]{12}$/.test(file)) rmSync(`${folder}/${file}`) // not what was found
  for (const input of short) writeFileSync(`${folder}/${nameOf(input)}`, input)
}
if (found) {
  const file = `build/fuzz/${name}-crash-${nameOf(found.input)}`
  writeFileSync(file, found.input)
  console.error(
    `${name}, seed ${seed}: ${found.problem}\n\nthe input, made smaller, is in ${file}:\n${JSON.stringify(found.input.toString())}`,
  )
}
console.log(JSON.stringify({ executions, kept: kept.length }))
process.exit(found ? 1 : 0)
