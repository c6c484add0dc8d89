#!/usr/bin/env node
/**
 * The command line: hands the words to the command that is meant (commands/).
 * Exit codes: 0 done, 1 failed, 2 misuse.
 */
import { createRequire } from 'node:module'
import { Command, CommanderError } from 'commander'
import { commands } from './commands/index.js'
import { usageError } from './output.js'

const { version } = createRequire(import.meta.url)('etherloom/package.json') as { version: string }

const program = new Command('etherloom')
  .description('Userspace Ethernet: TAPs, packet sockets and hosts, joined by hubs, switches and wires')
  .version(version)
  .exitOverride()
  .enablePositionalOptions()
  .configureHelp({ minWidthToWrap: 20 })
  .configureOutput({ outputError: (text) => process.stderr.write(usageError(text)) })

// The one that is named; all of them for the help, and for what nobody knows.
const [word = ''] = process.argv.slice(2)
const enough = Object.hasOwn(commands, word) || ['--version', '-V'].includes(word)
for (const [name, load] of Object.entries(commands))
  if (name === word || !enough) program.addCommand((await load()).copyInheritedSettings(program))

// Who reads our output may leave before its end, as `head` does; what is being done goes on.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
})

try {
  await program.parseAsync()
} catch (error) {
  if (!(error instanceof CommanderError)) throw error
  process.exitCode = error.exitCode === 0 ? 0 : 2
}
