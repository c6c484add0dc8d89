#!/usr/bin/env node
/**
 * The command line: hands the words to the command that is meant (commands/).
 * Exit codes: 0 done, 1 failed, 2 misuse.
 */
import './inspector.js'
import { Command, CommanderError } from 'commander'
import { completeHelp } from './command.js'
import { commands } from './commands/index.js'
import { fail, outliveReaders, usageError } from './output.js'
import { version } from './package.js'

const program = new Command('etherloom')
  .description('Userspace Ethernet: TAPs, packet sockets and hosts, joined by hubs, switches and wires')
  .version(version)
  .exitOverride()
  .enablePositionalOptions()
  .configureHelp({ minWidthToWrap: 20 })
  .configureOutput({ outputError: (text) => process.stderr.write(usageError(text)) })

const words = process.argv.slice(2)
const helps = words.some((each) => ['--help', '-h', 'help'].includes(each))
for (const command of commands) {
  program.addCommand(command.copyInheritedSettings(program))
  if (helps && words.includes(command.name())) await completeHelp(command)
}

outliveReaders()
process.on('uncaughtException', (error) => process.exit(fail(error, {})))

try {
  await program.parseAsync()
} catch (error) {
  process.exitCode = !(error instanceof CommanderError) ? fail(error, {}) : error.exitCode === 0 ? 0 : 2
}
