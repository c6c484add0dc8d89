/** All commands, in the order in which the help lists them. What one needs to run it imports when it runs. */
import type { Command } from 'commander'
import { attach, detach } from './attach.js'
import { capture } from './capture.js'
import { carrier } from './carrier.js'
import { demo } from './demo.js'
import { doctor } from './doctor.js'
import { down } from './down.js'
import { exec } from './exec.js'
import { exportForeign } from './export.js'
import { importForeign } from './import.js'
import { info } from './info.js'
import { deny, path } from './path.js'
import { plug } from './plug.js'
import { shell } from './shell.js'
import { show } from './show.js'
import { splice } from './splice.js'
import { step } from './step.js'
import { ubridge } from './ubridge.js'
import { up } from './up.js'
import { validate } from './validate.js'

export const commands: readonly Command[] = [
  up,
  validate,
  importForeign,
  exportForeign,
  show,
  info,
  path,
  deny,
  carrier,
  step,
  attach,
  detach,
  capture,
  exec,
  shell,
  plug,
  splice,
  down,
  ubridge,
  doctor,
  demo,
]
