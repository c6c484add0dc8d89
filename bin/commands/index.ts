/** All commands, in the order in which the help lists them. Each is loaded where it is meant, and for the help. */
import type { Command } from 'commander'

export const commands: Readonly<Record<string, () => Promise<Command>>> = {
  up: async () => (await import('./up.js')).up,
  validate: async () => (await import('./validate.js')).validate,
  import: async () => (await import('./import.js')).importForeign,
  show: async () => (await import('./show.js')).show,
  info: async () => (await import('./info.js')).info,
  path: async () => (await import('./path.js')).path,
  deny: async () => (await import('./path.js')).deny,
  carrier: async () => (await import('./carrier.js')).carrier,
  step: async () => (await import('./step.js')).step,
  capture: async () => (await import('./capture.js')).capture,
  exec: async () => (await import('./exec.js')).exec,
  shell: async () => (await import('./shell.js')).shell,
  down: async () => (await import('./down.js')).down,
  doctor: async () => (await import('./doctor.js')).doctor,
  demo: async () => (await import('./demo.js')).demo,
}
