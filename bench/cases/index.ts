// Every case, in the order of the report.

import type { Case } from '../case.js'
import { allToAll } from './all-to-all.js'
import { flood } from './flood.js'
import { generator, generatorLong } from './generator.js'
import { packet } from './packet.js'
import { tapToTap, tapToTapLong } from './tap-to-tap.js'

export const cases: readonly Case[] = [
  generator,
  generatorLong,
  tapToTap,
  tapToTapLong,
  packet,
  flood,
  allToAll,
]
