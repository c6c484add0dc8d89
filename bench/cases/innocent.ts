// What an attack on a worker costs a pair of ports that has no part in it: its round trips, beside the same pair alone.

import type { Case } from '../case.js'
import { roundTrip } from '../measures/round-trip.js'
import {
  etherloomBeside,
  floodTap,
  hostile,
  loopBesideFlood,
  otherTaps,
  type Plan,
} from '../peers/beside-attack.js'
import { cJoin } from '../peers/c-join.js'

const flood: Plan = () => ({ attack: { kind: 'flood', sinks: 1 } })
const records =
  (length: number): Plan =>
  ({ socket }) => ({
    attack: { kind: 'stream', sockets: [socket(0)], fabric: 'hub' },
    begin: hostile('records', length, socket(0)),
  })

const alone = etherloomBeside('no attack', () => ({ attack: { kind: 'none' } }))
const attacks = [
  etherloomBeside('flood', flood),
  etherloomBeside('flood from a TAP', ({ between }) => ({
    attack: { kind: 'taps', taps: otherTaps.map((name) => ({ interface: name, namespace: between.path })) },
    begin: floodTap(between),
  })),
  etherloomBeside('flood to 1,000 sinks', () => ({ attack: { kind: 'flood', sinks: 1000 } })),
  etherloomBeside('runts', records(13)),
  etherloomBeside('empty records', records(0)),
  etherloomBeside('oversize', records(69_632)),
  etherloomBeside('reader that never reads', ({ socket }) => ({
    attack: { kind: 'deaf', socket: socket(0) },
    begin: hostile('silent', 1, socket(0)),
  })),
  etherloomBeside('connect storm', ({ socket }) => ({
    attack: { kind: 'listen', socket: socket(0), peers: 64 },
    begin: hostile('storm', 16, socket(0)),
  })),
  etherloomBeside('4,096 silent peers', ({ socket }) => ({
    attack: { kind: 'listen', socket: socket(0), peers: 4096 },
    begin: hostile('silent', 4096, socket(0)),
  })),
  etherloomBeside('random addresses', ({ socket }) => ({
    attack: { kind: 'stream', sockets: [socket(0)], fabric: 'switch' },
    begin: hostile('sources', 0, socket(0)),
  })),
  etherloomBeside('flapping addresses', ({ socket }) => ({
    attack: { kind: 'stream', sockets: [socket(0), socket(1)], fabric: 'switch' },
    begin: hostile('sources', 64, socket(0), socket(1)),
  })),
  etherloomBeside('loop of two switches', () => ({ attack: { kind: 'loop' } })),
  etherloomBeside('100,000 delayed frames', () => ({ attack: { kind: 'delays' } })),
  etherloomBeside('captures', () => ({ attack: { kind: 'flood', sinks: 1, captured: true } })),
  etherloomBeside('flood on another worker', flood, { from: 1, to: 1 }),
  etherloomBeside('flood from another worker', flood, { from: 1, to: 0 }),
]

export const innocent: Case = {
  name: 'innocent',
  what: 'round trips of a pair of TAPs while others attack the worker of both; the ratio is that of the pair alone to it',
  measure: roundTrip({ payload: 64 }),
  rounds: 5,
  peers: [alone, ...attacks, cJoin('block'), loopBesideFlood],
  goals: attacks.map(({ name }) => ({ ratioTo: name, atLeast: 0.5 })),
}
