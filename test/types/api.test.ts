/**
 * What compiles and what does not. The compiler is the judge (`npm run test:all -- typecheck`); at run time these
 * tests only say that they are there.
 */
import { expectTypeOf } from 'expect-type'
import {
  Engine,
  GeneratorPort,
  Hub,
  MemoryPort,
  PacketPort,
  PatchPort,
  SinkPort,
  Switch,
  TapPort,
  type Applied,
  type Batch,
  type DropReason,
  type Drops,
  type Duration,
  type ErrorCode,
  type EtherloomError,
  type Fabric,
  type Path,
  type PathStats,
  type Policy,
  type PolicyOptions,
  type Port,
  type PortState,
  type QueueLimit,
  type Rate,
  type Size,
  type Topology,
  type Wire,
} from '../../lib/index.js'

/** Code that only has to compile, or not to. */
const compiles = (_code: (path: Path, fabric: Fabric, engine: Engine) => unknown): void => undefined

describe('Types', () => {
  it('want a unit with every quantity', () => {
    expectTypeOf<'40ms'>().toExtend<Duration>()
    expectTypeOf<'1.5us'>().toExtend<Duration>()
    expectTypeOf<'54Mbit'>().toExtend<Rate>()
    expectTypeOf<'64KiB'>().toExtend<Size>()
    expectTypeOf<'50frames' | '1 frame' | '250ms' | '64KiB'>().toExtend<QueueLimit>()
    expectTypeOf<number>().not.toExtend<Duration>()
    expectTypeOf<number>().not.toExtend<Rate>()
    expectTypeOf<number>().not.toExtend<Size>()
    expectTypeOf<number>().not.toExtend<QueueLimit>()
    expectTypeOf<string>().not.toExtend<Duration>()
    expectTypeOf<'40' | 'ms' | '40 parsecs' | '40Mbit'>().not.toExtend<Duration>()
    expectTypeOf<'54Mbps' | '54mbit' | '5ms'>().not.toExtend<Rate>()
    compiles((path) => path.allow({ delay: '5ms', jitter: '1ms', rate: '10Mbit', queue: '250ms' }))
    // @ts-expect-error a bare number is no duration
    compiles((path) => path.allow({ delay: 5 }))
    // @ts-expect-error nor is a bigint
    compiles((path) => path.allow({ delay: 5n }))
    // @ts-expect-error a rate is no duration
    compiles((path) => path.allow({ delay: '5Mbit' }))
    // @ts-expect-error a bare number is no rate
    compiles((path) => path.allow({ rate: 1e6 }))
    // @ts-expect-error a bare number is no queue limit
    compiles((path) => path.allow({ rate: '1Mbit', queue: 1000 }))
    // @ts-expect-error a bare number is no duration
    compiles((_path, _fabric, engine) => engine.advance(5))
    // @ts-expect-error a bare number is no duration
    compiles(() => new Switch({ ageing: 300 }))
    // @ts-expect-error a bare number is no size
    compiles(() => new Engine({ memory: 1 << 20 }))
  })

  it('want probabilities as numbers, and know every option by its name', () => {
    compiles((path) => path.allow({ loss: 0.02, duplicate: 0, corrupt: 1, reorder: 0.25, seed: 5n }))
    compiles((path) =>
      path.allow({ loss: { rate: 0.02, burst: { exactly: 5 } }, corrupt: { rate: 0.1, burst: 5 } }),
    )
    compiles((path) => path.allow({ loss: { model: 'gemodel', p: 0.01 }, ecn: true }))
    compiles((path) =>
      path.allow({ outage: { every: '10s', for: '500ms' }, distribution: { file: 'a.dist' } }),
    )
    // @ts-expect-error exact runs are of losses only
    compiles((path) => path.allow({ duplicate: { rate: 0.02, burst: { exactly: 5 } } }))
    compiles((path) => path.allow({ loss: '2%', corrupt: { rate: '0.1%', burst: 5 } }))
    // @ts-expect-error a probability is a number or in per cent
    compiles((path) => path.allow({ loss: '0.02' }))
    // @ts-expect-error a misspelt option
    compiles((path) => path.allow({ los: 0.02 }))
    // @ts-expect-error a misspelt option
    compiles(() => new Hub({ forwardign: 'deny' }))
    // @ts-expect-error not one of the words
    compiles(() => new Hub({ forwarding: 'drop' }))
    // @ts-expect-error not one of the words
    compiles(() => new Engine({ clock: 'fake' }))
    // @ts-expect-error an interface is required
    compiles(() => new PacketPort({}))
    // @ts-expect-error generators have no rate: a path has one
    compiles(() => new GeneratorPort({ rate: '1Mbit' }))
    // @ts-expect-error a count is a number
    compiles(() => new GeneratorPort({ count: 5n }))
    // @ts-expect-error there are two names
    compiles(() => PatchPort.pair({ names: ['one'] }))
    // @ts-expect-error not a hub's option
    compiles(() => new Hub({ ageing: '5s' }))
  })

  it('take filters as expressions and as match objects', () => {
    compiles((path) => path.allow({ filter: 'not ip6' }))
    compiles((path) => path.allow({ drop: 'arp' }))
    compiles((path) => path.allow({ drop: ['arp', { etherType: 'ip6' }] }))
    compiles((path) =>
      path.allow({ filter: { etherType: 'arp', vlan: 5, any: [{ protocol: 'tcp', port: [1, 1023] }] } }),
    )
    // @ts-expect-error no such key
    compiles((path) => path.allow({ filter: { etherTyp: 'arp' } }))
    // @ts-expect-error no such EtherType
    compiles((path) => path.allow({ filter: { etherType: 'appletalk' } }))
  })

  it('say which policies there are: a policy states whether it allows', () => {
    expectTypeOf<Policy>().toEqualTypeOf<{ allowed: boolean } & PolicyOptions>()
    compiles((path) => path.set({ allowed: true, delay: '1ms' }))
    compiles((path) => path.set(null, { flush: true }))
    // @ts-expect-error allowed or not?
    compiles((path) => path.set({ delay: '1ms' }))
    // @ts-expect-error allow() says so already
    compiles((path) => path.allow({ allowed: true }))
    // @ts-expect-error no policy at all
    compiles((_path, fabric) => fabric.apply([{ from: 'a', to: 'b' }]))
    expectTypeOf<Path['set']>().returns.resolves.toEqualTypeOf<Applied>()
    expectTypeOf<Fabric['apply']>().returns.resolves.toEqualTypeOf<{
      up: number
      down: number
      changed: number
    }>()
  })

  it('keep the kind of a port that is attached', () => {
    const attached = (fabric: Fabric) => fabric.attach(new MemoryPort())
    expectTypeOf(attached).returns.resolves.toEqualTypeOf<MemoryPort>()
    const tap = (fabric: Fabric) => fabric.attach(new TapPort())
    expectTypeOf(tap).returns.resolves.toEqualTypeOf<TapPort>()
    const sink = (fabric: Fabric) => fabric.attach(new SinkPort())
    expectTypeOf(sink).returns.resolves.toEqualTypeOf<SinkPort>()
    expectTypeOf(() => PatchPort.pair()).returns.toEqualTypeOf<[PatchPort, PatchPort]>()
    // Ports are built, not described.
    expectTypeOf<{ name: string; state: PortState }>().not.toExtend<Port>()
    // @ts-expect-error ends of cables come in pairs
    compiles(() => new PatchPort('left', 1500))
    // @ts-expect-error fabrics are hubs, switches or wires
    compiles((_path, fabric) => new (fabric.constructor as typeof Fabric)())
  })

  it('count in bigint, and know every drop reason', () => {
    expectTypeOf<PathStats['delivered']>().toEqualTypeOf<bigint>()
    expectTypeOf<Drops>().toEqualTypeOf<Record<DropReason, bigint>>()
    expectTypeOf<'queue'>().toExtend<DropReason>()
    expectTypeOf<'lost'>().not.toExtend<DropReason>()
  })

  it('tell events, states and error codes apart', () => {
    compiles((_path, fabric) =>
      fabric.on('port:down', ({ port, error }) => {
        expectTypeOf(port).toEqualTypeOf<Port>()
        expectTypeOf(error).toEqualTypeOf<EtherloomError>()
      }),
    )
    compiles((_path, fabric) =>
      fabric.on('address:moved', ({ address, vlan, from }) => {
        expectTypeOf(address).toEqualTypeOf<string>()
        expectTypeOf(vlan).toEqualTypeOf<number>()
        expectTypeOf(from).toEqualTypeOf<Port | undefined>()
      }),
    )
    compiles((_path, fabric) =>
      fabric.on('port:storm', ({ port, traffic, limit }) => {
        expectTypeOf(port).toEqualTypeOf<Port>()
        expectTypeOf(traffic).toEqualTypeOf<'broadcast' | 'multicast' | 'unknown'>()
        expectTypeOf(limit).toEqualTypeOf<number | undefined>()
      }),
    )
    compiles((_path, fabric) =>
      fabric.on('port:calm', ({ dropped, rate, lasted }) => {
        expectTypeOf(dropped).toEqualTypeOf<bigint>()
        expectTypeOf(rate).toEqualTypeOf<number>()
        expectTypeOf(lasted).toEqualTypeOf<Duration>()
      }),
    )
    expectTypeOf<EtherloomError['code']>().toEqualTypeOf<ErrorCode>()
    expectTypeOf<'up' | 'down' | 'detached'>().toExtend<PortState>()
    expectTypeOf<'ERR_ETHERLOOM_STATE'>().toExtend<ErrorCode>()
  })

  it('read memory ports in batches of bytes', () => {
    expectTypeOf<MemoryPort>().toExtend<AsyncIterable<Batch>>()
    expectTypeOf<Batch>().toExtend<Iterable<Uint8Array>>()
    expectTypeOf<MemoryPort['send']>().parameter(0).toEqualTypeOf<Uint8Array | readonly Uint8Array[]>()
    expectTypeOf<MemoryPort['send']>().returns.toEqualTypeOf<number>()
    // @ts-expect-error text is no frame
    compiles(() => new MemoryPort().send('text'))
  })

  it('know in topology files what each kind has', () => {
    interface With<Port> {
      fabrics: { a: { kind: 'hub'; ports: { p: Port } } }
    }
    expectTypeOf<With<{ tap: string; checksums: 'complete'; delay: '1ms' }>>().toExtend<Topology>()
    expectTypeOf<With<{ host: string; queues: number }>>().toExtend<Topology>()
    expectTypeOf<With<{ tap: string; checksums: 'half' }>>().not.toExtend<Topology>()
    expectTypeOf<With<{ nothing: string }>>().not.toExtend<Topology>()
    interface Of<Kind> {
      fabrics: { a: Kind & { ports: Record<string, { tap: string }> } }
    }
    expectTypeOf<Of<{ kind: 'switch'; ageing: '5s' }>>().toExtend<Topology>()
    expectTypeOf<Of<{ kind: 'ring' }>>().not.toExtend<Topology>()
  })

  it('are disposable', () => {
    expectTypeOf<Hub>().toExtend<AsyncDisposable>()
    expectTypeOf<Wire>().toExtend<AsyncDisposable>()
    expectTypeOf<Engine>().toExtend<AsyncDisposable>()
  })
})
