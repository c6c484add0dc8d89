/** `etherloom doctor`: what this machine allows, and what to do about what it does not. */
import { action, command, type ExitCode, type Flags } from '../command.js'

interface DoctorFlags extends Flags {
  security?: boolean
  mend?: boolean
}

export const doctor = command('doctor', 'say what this machine allows, and what to do about what it does not')
  .option('--security', 'say what running instances may do, and how they could do with less')
  .option('--mend', 'undo what killed gateways have left in this network namespace')
  .action(action(run))

async function run({ json = false, security = false, mend = false }: DoctorFlags): Promise<ExitCode> {
  return security
    ? (await import('../security.js')).printSecurity(json)
    : (await import('../doctor.js')).examine(json, mend)
}
