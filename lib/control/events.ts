/**
 * What an instance tells those who have subscribed: the events of its network, as plain values, and its own.
 * Called by the method that subscribes, by the server that sends and by the client that reads.
 */
import { stormTraffic } from '../fabrics/storm.js'
import type { FileProblem } from '../topology/file-problem.js'
import type { NetworkApplied, NetworkEvents } from '../topology/network.js'
import { check } from '../values/check.js'
import { counter } from '../values/counter.js'
import type { EtherloomError } from '../values/errors.js'
import {
  about,
  anyText,
  flag,
  integer,
  list,
  number,
  oneOf,
  required,
  shaped,
  text,
} from '../values/options.js'
import type { Rule, RulesOf } from '../values/options.js'
import { anything } from './method.js'
import { appliedSteps } from './methods/apply.js'
import { errorFrom } from './protocol.js'

/** The events of an instance, by name; each has one value. */
export type ControlEvents = NetworkEvents & {
  /** With `up --watch`: the file, or one that it names, has changed, and that was taken over. */
  'file:applied': [{ file: string } & NetworkApplied]
  /**
   * With `up --watch`: what the file says now cannot be taken over. `undone`: the steps that were taken back, none where
   * everything stays as it is; `between`: not all of them could be.
   */
  'file:error': [{ file: string; error: EtherloomError; undone: string[]; between: boolean }]
  /** With `up --watch`: what of the changed file looks wrong, or is not taken over, and was not so before. */
  'file:note': [FileProblem]
  /** The instance could not take a connection; everything else goes on. */
  'control:error': [{ error: EtherloomError }]
}
/** The names of those events. */
export type ControlEventName = keyof ControlEvents

/** The value of an event. */
export type ControlEvent<Name extends ControlEventName> = ControlEvents[Name][0]

const word = (description: string) => about(description, required(text({ max: 65_536 })))
const most = Number.MAX_SAFE_INTEGER

/** An error: `code`, `message`, and where there are any `hint`, `syscall` and `errno`. */
const failure = about(
  'what went wrong: `code`, `message` and, where there is one, `hint`',
  shaped((value: unknown) => value as EtherloomError, {
    required: true,
    form: { kind: 'value', json: { type: 'object' }, read: errorFrom as never },
  } as const),
)
const at = { fabric: word('the fabric'), port: word('the port') }

const moving = {
  fabric: word('the switch'),
  address: word('the MAC address'),
  vlan: about('its VLAN; 0 where there is none', required(integer(0, 4095))),
}
const traffic = about('what was flooded', required(oneOf(stormTraffic)))

/** Declares an event: when it comes, and what it says. */
interface Declared<Name extends ControlEventName> {
  readonly description: string
  readonly keys: RulesOf<ControlEvent<Name>>
}

export const controlEvents: { readonly [Name in ControlEventName]: Declared<Name> } = {
  'port:attach': { description: 'A port was attached, by whoever it was.', keys: at },
  'port:detach': { description: 'A port was detached, or the instance ends.', keys: at },
  'port:down': {
    description: "A port's device failed or vanished, or its peer went.",
    keys: { ...at, error: failure },
  },
  'port:up': { description: 'A port that was down works again, or a peer has come.', keys: at },
  'port:carrier': {
    description: "A port's carrier was taken away or given back.",
    keys: { ...at, on: about('whether it has it now', required(flag())) },
  },
  'port:storm': {
    description: 'A port sends more of what is flooded than it may: the first frame was dropped.',
    keys: {
      ...at,
      traffic,
      limit: about(
        'frames that it may send each second; absent where that has been changed meanwhile',
        integer(0, most),
      ),
    },
  },
  'port:calm': {
    description: 'A storm is over: no frame was dropped for a second, or the port is detached.',
    keys: {
      ...at,
      traffic,
      dropped: about('frames that were dropped', required(counter())),
      rate: about(
        'frames of this kind that the port sent each second, on average from the first that was dropped to a second after the last',
        required(integer(0, most)),
      ),
      lasted: word('from the first frame that was dropped to the last, as `1.5s`'),
    },
  },
  'gateway:down': {
    description: 'The gateway of a TAP has ended by itself, and is set up again; the port goes on.',
    keys: { ...at, error: failure },
  },
  'gateway:up': { description: 'The gateway of a TAP stands again.', keys: at },
  'address:moved': {
    description: 'A switch saw an address on another port.',
    keys: {
      ...moving,
      from: about('the port before; absent where it has gone', required(text())),
      to: about('the port now; absent where it has gone', required(text())),
    },
  },
  'address:flapping': {
    description:
      'An address has moved 5 times within a second, as in a loop. Until it has settled, nothing else is told of it.',
    keys: {
      ...moving,
      ports: about('the ports between which it moved last', required(list(text()))),
    },
  },
  'address:settled': {
    description: 'An address that was flapping has not moved for a second.',
    keys: { ...moving, moves: about('how often it has moved', required(counter())) },
  },
  'host:error': {
    description:
      'An interface of a host has come back, and what belongs to it (routes, settings) could not be set again; everything else goes on.',
    keys: { host: word('the host'), error: failure },
  },
  'run:output': {
    description:
      'A program of a host has said a line. What was said before anybody had subscribed, up to 1000 lines, goes to the first who does.',
    keys: {
      host: word('the host'),
      run: word('the program, as `red` or `red.web`'),
      stream: about('where it said it', required(oneOf(['stdout', 'stderr']))),
      line: about('the line, without its end', required(anyText)),
    },
  },
  'run:exit': {
    description: 'A program of a host has ended.',
    keys: {
      host: word('the host'),
      run: word('the program, as `red` or `red.web`'),
      code: about('its exit code; absent where a signal ended it', integer(0, 255)),
      signal: about('the signal that ended it, as `SIGTERM`', text()),
      again: about('whether it will be started again', required(flag())),
      stopped: about(
        '`true` where the instance has ended it: it is replaced, or removed, or the instance ends',
        flag(),
      ),
    },
  },
  timeline: {
    description: 'A timeline has taken a step.',
    keys: {
      fabric: word('the fabric'),
      entry: about('the entry it belongs to, counted from 1', required(integer(1, most))),
      at: word('its time, from time zero'),
      phase: word('`begin`, `step` or `end` of the entry'),
      did: word('what it did, as `a > b loss=0.02`'),
    },
  },
  'timeline:error': {
    description: 'A timeline could not take a step; everything else goes on.',
    keys: { fabric: word('the fabric'), error: failure },
  },
  'world:step': {
    description: 'A world has taken a step.',
    keys: {
      world: word('the world'),
      step: about('its number, from 1', required(integer(1, most))),
      up: about('pairs that frames can pass now and could not before', required(integer(0, most))),
      down: about('the reverse', required(integer(0, most))),
      changed: about('other changes', required(integer(0, most))),
      milliseconds: about('what it took', required(number(0, Infinity))),
      overrun: about('whether that is longer than the time between two steps', required(flag())),
      links: about('the links that changed', required(list(anything<object>('a link')))),
    },
  },
  'world:error': {
    description: 'A world could not take a step by itself, or its hook failed; everything else goes on.',
    keys: { world: word('the world'), error: failure },
  },
  'file:applied': {
    description:
      'The file, or one that it names, has changed, and the instance has gone over to it (`up --watch`).',
    keys: { file: word('the file'), ...appliedSteps },
  },
  'file:error': {
    description:
      'The file says now what the instance cannot go over to; what was there before stays, or comes back (`up --watch`).',
    keys: {
      file: word('the file'),
      error: failure,
      undone: about(
        'the steps that led back, in words; none where everything stays as it is',
        required(list(text({ max: 65_536 }))),
      ),
      between: about('whether going back failed, too: it is between two topologies', required(flag())),
    },
  },
  'file:note': {
    description:
      'The changed file says what looks wrong, or cannot be taken over while the instance runs, and did not say it before (`up --watch`).',
    keys: {
      file: word('the file'),
      line: about('the line, from 1', required(integer(1, most))),
      column: about('the column, from 1', required(integer(1, most))),
      message: word('what is to be said of it'),
    },
  },
  ending: {
    description: 'The instance ends, which takes longer than a second: said each second.',
    keys: {
      ports: about('how many ports there were', required(integer(0, most))),
      left: about('how many of them have not ended', required(integer(0, most))),
    },
  },
  'control:error': {
    description: 'The instance could not take a connection; everything else goes on.',
    keys: { error: failure },
  },
}

/** The value of an event that has come over the socket. */
export function readEvent<Name extends ControlEventName>(name: Name, value: unknown): ControlEvent<Name> {
  const rule: Rule<unknown> = shaped((given) => given, {
    form: { kind: 'mapping', keys: controlEvents[name].keys as Record<string, Rule<unknown>> },
  })
  return check(rule, value).value as ControlEvent<Name>
}
