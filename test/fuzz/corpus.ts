/** The targets and their stored inputs. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Target } from './target.js'

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url))

export const targetNames = readdirSync(here('targets')).map((file) => file.replace(/\.ts$/, ''))

export const targetNamed = async (name: string): Promise<Target> =>
  ((await import(here(`targets/${name}.ts`))) as { target: Target }).target

/** The inputs in corpus/NAME/, and their folder. */
export function stored(name: string): { folder: string; inputs: Buffer[] } {
  const folder = here(`corpus/${name}`)
  const files = existsSync(folder) ? readdirSync(folder).sort() : []
  return { folder, inputs: files.map((file) => readFileSync(`${folder}/${file}`)) }
}
