/** `etherloom demo`: three hosts on a hub, live. */
import { action, command, type Flags } from '../command.js'

export const demo = command('demo', 'three hosts on a hub: asked-for and measured values, live').action(
  action(async (options: Flags) => (await import('../demo/main.js')).runDemo(options)),
)
