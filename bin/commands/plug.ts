/** `etherloom plug`: a VDE switch on standard input and output, as vde_plug has it. */
import { action, command, type Flags } from '../command.js'

export const plug = command('plug', "join a VDE switch to standard input and output, as 'vde_plug' does")
  .argument('<folder>', "the switch's folder")
  .option('--port <number>', "the number of the switch's port")
  .addHelpText(
    'after',
    '\nFor pipes: dpipe vde_plug FOLDER = etherloom plug OTHER, or = ssh HOST etherloom plug OTHER.',
  )
  .action(
    action(async (folder: string, options: Flags & { port?: string }) => {
      const { runPlug } = await import('../plug.js')
      return runPlug(folder, options.port)
    }),
  )
