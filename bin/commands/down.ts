/** `etherloom down`: ends a running instance, and returns when nothing of it is left. */
import { action, instanceCommand, withInstance, type InstanceFlags } from '../command.js'
import { describeEnding, printJson, printLine } from '../output.js'

export const down = instanceCommand('down', 'end a running instance').action(
  action((options: InstanceFlags) =>
    withInstance(options, async (instance) => {
      const { name, sealed } = await instance.call('info', {})
      instance.on('ending', (ending) => printLine(describeEnding(ending)))
      if (!options.json) await instance.subscribe('ending')
      await instance.call('down', {})
      await instance.ended
      if (sealed) await removeSocket(name)
      if (options.json) printJson({ event: 'down', name })
      else printLine(`${name}: down`)
      return 0
    }),
  ),
)

/** What a sealed instance leaves, for it could not remove it. */
async function removeSocket(name: string): Promise<void> {
  const [{ ControlClient }, { removeControlSocket }] = await Promise.all([
    import('../../lib/control/client.js'),
    import('../../lib/control/directory.js'),
  ])
  const another = await ControlClient.connect(name)
  if (another) await another.close()
  else await removeControlSocket(name)
}
