// Every case, in the order of the report.

import type { Case } from '../case.js'
import { allToAll } from './all-to-all.js'
import { apply } from './apply.js'
import { flood } from './flood.js'
import { generator, generatorLong } from './generator.js'
import { inMemory, inMemoryAcross, inMemoryTwoPairs } from './in-memory.js'
import { innocent } from './innocent.js'
import { manyPorts } from './many-ports.js'
import { manyWires } from './many-wires.js'
import { memoryPort } from './memory-port.js'
import { oneWayDelay } from './one-way-delay.js'
import { packet } from './packet.js'
import { rate } from './rate.js'
import { roundTripPolling, roundTripWaiting } from './round-trip.js'
import { tapToTap, tapToTapLong } from './tap-to-tap.js'
import { tcpDelayed, tcpFour, tcpOne } from './tcp.js'
import { trunkLong, trunkShort } from './trunk.js'
import { vdeLong, vdeShort } from './vde-sockets.js'
import { webSocketLong, webSocketShort } from './websocket.js'
import { world, worldClique } from './world.js'

export const cases: readonly Case[] = [
  generator,
  generatorLong,
  tapToTap,
  tapToTapLong,
  packet,
  trunkShort,
  trunkLong,
  vdeShort,
  vdeLong,
  flood,
  allToAll,
  manyPorts,
  tcpOne,
  tcpFour,
  tcpDelayed,
  roundTripWaiting,
  roundTripPolling,
  innocent,
  ...oneWayDelay,
  ...rate,
  inMemory,
  inMemoryTwoPairs,
  inMemoryAcross,
  memoryPort,
  webSocketShort,
  webSocketLong,
  manyWires,
  apply,
  world,
  worldClique,
]
