#!/usr/bin/env node
/**
 * The command line: hands the words to the command that is meant (commands/).
 * Exit codes: 0 done, 1 failed, 2 misuse.
 */
import './inspector.js'
import { createRequire } from 'node:module'
import { Command, CommanderError } from 'commander'
import { completeHelp } from './command.js'
import { commands } from './commands/index.js'
import { fail, outliveReaders, usageError } from './output.js'

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
const helps = process.argv.some((each) => ['--help', '-h', 'help'].includes(each))
for (const [name, load] of Object.entries(commands))
  if (name === word || !enough) {
    const command = (await load()).copyInheritedSettings(program)
    program.addCommand(helps ? await completeHelp(command) : command)
  }

outliveReaders()
process.on('uncaughtException', (error) => process.exit(fail(error, {})))

try {
  await program.parseAsync()
} catch (error) {
  process.exitCode = !(error instanceof CommanderError) ? fail(error, {}) : error.exitCode === 0 ? 0 : 2
}
