// Every case, in the order of the report.

import type { Case } from '../case.js'
import { tapToTap } from './tap-to-tap.js'

export const cases: readonly Case[] = [tapToTap]
