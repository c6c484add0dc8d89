/**
 * What a kind of port is to topology files, reports and `doctor`: all that is known of it beside its class. One stands
 * with each class in ports/, and index.ts lists them; topology/ knows none by name.
 */
import type { Engine } from '../engine/engine.js'
import type { Namespace } from '../engine/namespace.js'
import type { Program } from '../values/programs.js'
import type { Complain } from '../values/problem.js'
import type { Rules } from '../values/options.js'
import type { Keyed } from '../values/registry.js'
import type { Port } from './port.js'

/** A port of a topology, by name. */
export interface PortReference {
  /** The name of its fabric. */
  fabric: string
  /** Its name in that fabric. */
  port: string
}

/** An interface that is one port's alone. */
export interface OwnInterface {
  /** The key of its name in the port's mapping. */
  key: string
  /** Undefined where none is stated; then it is `eth0`, `eth1`, ... of its host. */
  name: string | undefined
  /** The host that it is in; undefined for this machine. */
  host: string | undefined
  /** With their prefix lengths. */
  addresses: readonly string[]
  /** Its MAC address; undefined where none is stated. */
  mac: string | undefined
}

/** What reports say of a port's device. */
export interface DeviceFacts {
  /**
   * How it receives: a TAP through the workers' Io, a packet socket from a ring or by system calls. Absent where there
   * is no device.
   */
  method?: string
  /** How many workers read it. */
  queues?: number
  /** The protocols whose super-frames pass its device whole. Absent where there is no device. */
  superFrames?: readonly string[]
  /** Of a tunnel: the longest IP packet that its frames can hold, in bytes. Absent where that is not known. */
  innerMtu?: number
}

/** What a port is made with. */
export interface Surroundings {
  /** The network namespace of a host; undefined for this process's, and where hosts do not exist yet. */
  namespaceOf: (host: string) => Namespace | undefined
  /** The other end, where that was made first. */
  peer?: Port | undefined
}

/** The interfaces that nodes of worlds get, numbered from 1. `Nic` is a mapping with patterns for names. */
export interface NumberedKind<Given, Nic> {
  /** The keys of such a mapping, the kind's own among them as a required one. */
  readonly options: Rules
  /** The interface of that number: the port's name and its mapping. */
  make(node: string, nic: Nic, number: number): { name: string; given: Given }
}

/** `Given` is a port's mapping in a file, without what ports of all kinds can have. */
export interface PortKind<
  Given extends object = object,
  Made extends Port = Port,
  Nic extends object = object,
> extends Keyed {
  /** The key that its mappings in files have, and no other kind's. */
  readonly key: string
  /** The keys of its mappings, the kind's own among them as a required one, beside those that ports of all kinds have. */
  readonly options: Rules
  /** What `show` calls it. Default: the key. */
  readonly name?: string
  /** Makes the port; it is opened when it is attached. Also how a mapping is checked: the constructor refuses it. */
  make(name: string, given: Given, surroundings: Surroundings): Made
  /** Where it leads: an interface (of a host), a port of another fabric, a socket, or outside. */
  leadsTo(given: Given): string
  /** Finds what the constructor would refuse, at its place in the mapping. `workers` is how many the engine has. */
  check?(given: Given, complain: Complain, engine: { workers: number }): void
  /** Of kinds whose ports come in pairs: the other end, which has to name this one in return. */
  peer?(given: Given): PortReference
  /** Where it listens, of which no other may be, and the key that says so. */
  listensAt?(given: Given): { key: string; place: string } | undefined
  /** The interface that it makes for itself. */
  ownInterface?(given: Given): OwnInterface
  /** Why its carrier cannot be taken away, in the words that follow its name. Default: it can. */
  readonly noCarrier?: string
  /** What reports say of the device of an attached port. */
  device?(port: Made, engine: Engine): DeviceFacts
  /** What to do about frames that an attached port drops for a reason, where there is more to say than the reason. */
  advice?(port: Made, reason: string): string | undefined
  /** Of kinds that nodes of worlds can have interfaces of. */
  readonly numbered?: NumberedKind<Given, Nic>
  /** Programs that it runs, each with what needs it, for `doctor`. */
  readonly programs?: Readonly<Partial<Record<Program, string>>>
}
