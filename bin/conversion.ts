/**
 * What the user says beside a file of another program. Called by `import` and by `up`.
 */
import type { Command } from 'commander'
import type { ConversionOptions } from '../lib/topology/import/format.js'
import { oneOf } from '../lib/values/options.js'

/** As it stands on the command line. */
export interface ConversionWords {
  config?: string
  machines?: string
}

export function addConversion(command: Command): Command {
  return command
    .option('--config <file>', "of a MiniWorld scenario: MiniWorld's config.json")
    .option(
      '--machines <kind>',
      'of a MiniWorld scenario: hosts (default), taps for others to use, or packet sockets on the TAPs of others',
    )
}

/** Reads the file that the options name. @throws EtherloomError ERR_ETHERLOOM_OPTION, ERR_ETHERLOOM_TOPOLOGY */
export async function readConversion({ config, machines }: ConversionWords): Promise<ConversionOptions> {
  const [{ machineKinds }, { readTopologyFile }] = await Promise.all([
    import('../lib/topology/import/format.js'),
    import('../lib/topology/load.js'),
  ])
  const kind = oneOf(machineKinds)(machines, "'--machines'")
  return {
    ...(config !== undefined && { config: { file: config, text: await readTopologyFile(config) } }),
    ...(kind !== undefined && { machines: kind }),
  }
}
