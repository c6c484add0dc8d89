/** What the user says beside a file of another program. Called by `import` and by `up`. */
import type { Command } from 'commander'
import { isSourceFile, type ConversionOptions } from '../lib/topology/import/format.js'
import { foreignFormats } from '../lib/topology/import/index.js'
import { shapeOf } from '../lib/values/options.js'
import { scalar } from './command.js'

/** Adds the options of all formats, by their declarations. */
export function addConversion(command: Command): Command {
  for (const { title, options } of foreignFormats)
    for (const [name, rule] of Object.entries(options))
      command.option(
        `--${name} <${isSourceFile(rule) ? 'file' : 'word'}>`,
        `of ${title}: ${shapeOf(rule).description ?? ''}`,
      )
  return command
}

/** Reads the files that the options name. @throws EtherloomError ERR_ETHERLOOM_OPTION, ERR_ETHERLOOM_TOPOLOGY */
export async function readConversion(flags: object): Promise<ConversionOptions> {
  const { readTopologyFile } = await import('../lib/topology/load.js')
  const given: Record<string, unknown> = {}
  for (const { options } of foreignFormats)
    for (const [name, rule] of Object.entries(options)) {
      const word = flags[name as never] as string | undefined
      if (word === undefined) continue
      given[name] = isSourceFile(rule) ? { file: word, text: await readTopologyFile(word) } : scalar(word)
      rule(given[name], `'--${name}'`)
    }
  return given
}
