/** `etherloom exec`: runs a command inside a host, as `ip netns exec` does. */
import { action, instanceCommand, type InstanceFlags } from '../command.js'

export const exec = instanceCommand('exec', 'run a command inside a host')
  .argument('<host>', 'host of a running instance')
  .argument('<command...>', 'command to run inside its network namespace')
  .passThroughOptions()
  .action(
    action(async (host: string, words: string[], options: InstanceFlags) => {
      const { runInside } = await import('../inside.js')
      return runInside(host, options, () => ({ command: words[0] === '--' ? words.slice(1) : words }))
    }),
  )
