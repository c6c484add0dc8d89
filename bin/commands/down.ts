/** `etherloom down`: ends a running instance, and returns when nothing of it is left. */
import { ControlClient } from '../../lib/control/client.js'
import { printJson, printLine } from '../output.js'

export async function down({ name, json }: { name?: string; json?: boolean }): Promise<number> {
  const instance = await ControlClient.find(name)
  const info = await instance.call('info', {})
  await instance.call('down', {})
  await instance.ended
  if (json) printJson({ event: 'down', name: info.name })
  else printLine(`${info.name}: down`)
  return 0
}
