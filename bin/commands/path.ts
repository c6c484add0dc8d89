/** `etherloom path` and `etherloom deny`: show or set the policy of a path of a running instance. */
import type { TopologyPolicy } from '../../lib/topology/schema.js'
import {
  action,
  fabricOption,
  helpLater,
  instanceCommand,
  withInstance,
  type InstanceFlags,
} from '../command.js'
import { printJson, printLine, remark } from '../output.js'
import { describePolicy, printRows } from '../tables.js'

interface PathFlags extends InstanceFlags {
  both?: boolean
  fabric?: string
}

type Policy = TopologyPolicy & { allowed: boolean }

const policyWords = async (words: string[]): Promise<Policy> =>
  (await import('../policy-words.js')).readPolicyWords(words)

const pathCommand = (name: string, description: string) =>
  instanceCommand(name, description)
    .argument('<from>', 'port that frames come from')
    .argument('<to>', 'port that frames go to')
    .option('--both', 'both directions')
    .addOption(fabricOption())

export const path = pathCommand('path', 'show a path of a running instance, or replace its policy')
  .argument(
    '[policy...]',
    "the whole new policy as key=value: delay=5ms loss=2% rate=10Mbit ...; 'allowed' for none of these, 'denied' to let nothing pass",
  )
  .action(
    action(async (from: string, to: string, words: string[], options: PathFlags) =>
      words.length === 0 ? show(from, to, options) : change(from, to, await policyWords(words), options),
    ),
  )
helpLater(path, async () => (await import('../policy-help.js')).policyHelp)

export const deny = pathCommand('deny', 'let nothing pass on a path of a running instance').action(
  action((from: string, to: string, options: PathFlags) => change(from, to, { allowed: false }, options)),
)

/** The paths that are meant, as the methods of the instance want them. */
const ends = (from: string, to: string, { both, fabric }: PathFlags) =>
  [{ from, to }, ...(both ? [{ from: to, to: from }] : [])].map((path) => ({
    ...path,
    ...(fabric !== undefined && { fabric }),
  }))

const show = (from: string, to: string, options: PathFlags): Promise<number> =>
  withInstance(options, async (instance) => {
    const rows = []
    for (const path of ends(from, to, options)) rows.push(await instance.call('showPath', path))
    printRows('paths', rows, options.json)
    return 0
  })

/** Sets the policy, and says on stderr what it was where that is gone. */
const change = (from: string, to: string, policy: Policy, options: PathFlags): Promise<number> =>
  withInstance(options, async (instance) => {
    const paths = ends(from, to, options)
    const before = []
    for (const path of paths) before.push(await instance.call('showPath', path))
    const applied = await instance.call('path', {
      ...(paths[0] as (typeof paths)[number]),
      both: options.both ?? false,
      policy,
    })
    if (options.json) printJson(applied)
    else {
      for (const { fabric, from, to, allowed, policy } of before)
        if (Object.keys(policy).length > 0)
          remark(`${fabric}.${from} > ${fabric}.${to}: was ${describePolicy(allowed, policy)}`)
      printLine(`${applied.up} up, ${applied.down} down, ${applied.changed} changed`)
    }
    return 0
  })
