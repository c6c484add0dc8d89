/** `etherloom splice`: puts a wire with policies into a link that exists, until it is ended. */
import { Option } from 'commander'
import { action, command, helpLater } from '../command.js'
import type { SpliceFlags } from '../splice.js'

export const splice = command('splice', 'put a bad line into a link that exists, until Ctrl-C')
  .argument(
    '<end>',
    "one end of the link, WHO:INTERFACE, such as 'web:eth0'; WHO is a container of Docker or a node of a containerlab",
  )
  .argument('[other]', 'its other end (default: the interface of this machine that is)')
  .option('--docker', 'WHO is a container, which is the default')
  .addOption(new Option('--pid', 'WHO is the number of a process').conflicts(['docker', 'netns']))
  .addOption(
    new Option('--netns', 'WHO is the name or path of a network namespace').conflicts(['docker', 'pid']),
  )
  .option(
    '-o, --policy <words>',
    "what both directions do, in words of tc, 'delay 20ms loss 1%', or as 'etherloom path' has it, 'delay=20ms loss=1%'",
  )
  .option('--name <name>', "name of the instance (default: 'splice-' and the number of the process)")
  .action(
    action(async (end: string, other: string | undefined, options: SpliceFlags) => {
      const { runSplice } = await import('../splice.js')
      return runSplice([end, ...(other === undefined ? [] : [other])], options)
    }),
  )
splice.addHelpText(
  'after',
  '\nThe interfaces keep their names, addresses and routes. While it runs: etherloom path WHO OTHER delay=40ms\nchanges a direction, etherloom show paths counts, etherloom capture records.',
)
helpLater(splice, async () => (await import('../policy-help.js')).policyHelp)
