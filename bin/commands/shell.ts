/** `etherloom shell`: the user's shell inside a host. */
import { accessSync, constants } from 'node:fs'
import { basename } from 'node:path'
import { action, instanceCommand, type InstanceFlags } from '../command.js'

/** Puts the place before the prompt that the user's own files made, once. */
const prefixPrompt = 'PS1="($ETHERLOOM_INSTANCE/$ETHERLOOM_HOST) $PS1"; unset PROMPT_COMMAND'

export const shell = instanceCommand('shell', 'run a shell ($SHELL, else sh) inside a host')
  .argument('<host>', 'host of a running instance')
  .action(
    action(async (host: string, options: InstanceFlags) => {
      const { runInside } = await import('../inside.js')
      return runInside(host, options, (instance) => {
        const program = shellOf(process.env.SHELL)
        const mark = process.getuid?.() === 0 ? '#' : '$'
        const prompt =
          basename(program) === 'bash'
            ? { PROMPT_COMMAND: prefixPrompt }
            : { PS1: `(${instance}/${host}) ${mark} ` }
        return { command: [program], env: prompt }
      })
    }),
  )

/** The shell that the user has, if it can be run. */
function shellOf(given: string | undefined): string {
  try {
    if (given?.startsWith('/') !== true) return 'sh'
    accessSync(given, constants.X_OK)
    return given
  } catch {
    return 'sh'
  }
}
