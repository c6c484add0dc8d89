/** What of `etherloom/testing` compiles and what does not; as api.test.ts. */
import { expectTypeOf } from 'expect-type'
import type { TestContext } from 'node:test'
import type { DropReason, Engine, Fabric, Network, Path } from '../../lib/index.js'
import {
  assertLab,
  buildFrame,
  lab,
  numberedFrame,
  numberOf,
  parseFrame,
  type Arrival,
  type etherloomMatchers,
  type EtherloomMatchers,
  type ExpectedLoss,
  type FrameLayers,
  type FrameMatch,
  type Ipv4Layer,
  type Lab,
  type LabPort,
  type ParsedFrame,
  type Sent,
  type TcpFlag,
  type TestHandle,
  type UdpLayer,
} from '../../lib/testing/index.js'

/** Code that only has to compile, or not to. */
const compiles = (_code: (net: Lab, port: LabPort, path: Path) => unknown): void => undefined

describe('Types of etherloom/testing', () => {
  it('know labs, their options and what they are made of', () => {
    expectTypeOf(lab).returns.resolves.toEqualTypeOf<Lab>()
    expectTypeOf<Lab>().toExtend<AsyncDisposable>()
    expectTypeOf<Lab['network']>().toEqualTypeOf<Network>()
    expectTypeOf<Lab['engine']>().toEqualTypeOf<Engine>()
    expectTypeOf<Lab['path']>().returns.toEqualTypeOf<Path>()
    compiles(() => lab('net.yaml', { clock: 'real', seed: 7, failures: 'failures', test: false }))
    compiles(() => lab({ fabrics: { a: { kind: 'hub', ports: { p: { memory: {} } } } } }))
    // @ts-expect-error not one of the words
    compiles(() => lab('net.yaml', { clock: 'fake' }))
    // @ts-expect-error what topology files state is a number
    compiles(() => lab('net.yaml', { seed: 7n }))
    // @ts-expect-error true is no test
    compiles(() => lab('net.yaml', { test: true }))
    // @ts-expect-error a misspelt option
    compiles(() => lab('net.yaml', { clok: 'real' }))
    // @ts-expect-error no such kind of port
    compiles(() => lab({ fabrics: { a: { kind: 'hub', ports: { p: { nothing: {} } } } } }))
    // @ts-expect-error a bare number is no duration
    compiles((net) => net.advance(5))
  })

  it('take the contexts of the runners as tests', () => {
    expectTypeOf<Mocha.Context>().toExtend<TestHandle>()
    expectTypeOf<TestContext>().toExtend<TestHandle>()
    expectTypeOf<string>().not.toExtend<TestHandle>()
  })

  it('tell frames that were sent from those that came', () => {
    expectTypeOf<LabPort['send']>().parameter(0).toEqualTypeOf<Uint8Array | readonly Uint8Array[]>()
    expectTypeOf<LabPort['send']>().returns.toEqualTypeOf<Sent>()
    expectTypeOf<LabPort['next']>().returns.resolves.toEqualTypeOf<Arrival>()
    expectTypeOf<LabPort['arrivals']>().toEqualTypeOf<readonly Arrival[]>()
    expectTypeOf<Arrival['at']>().toEqualTypeOf<bigint>()
    expectTypeOf<Uint8Array | ((frame: Uint8Array) => boolean)>().toEqualTypeOf<FrameMatch>()
    compiles((_net, port) => port.next({ matching: (frame) => frame.length > 60, within: '1s' }))
    // @ts-expect-error text is no frame
    compiles((_net, port) => port.send('text'))
    // @ts-expect-error a bare number is no duration
    compiles((_net, port) => port.next({ within: 5 }))
  })

  it('know the layers of frames, and that parsed ones are complete', () => {
    expectTypeOf(buildFrame).returns.toEqualTypeOf<Uint8Array>()
    expectTypeOf(parseFrame).returns.toEqualTypeOf<ParsedFrame>()
    expectTypeOf<ParsedFrame>().toExtend<FrameLayers>()
    expectTypeOf<ParsedFrame['ipv4']>().toEqualTypeOf<Required<Ipv4Layer> | undefined>()
    expectTypeOf<ParsedFrame['udp']>().toEqualTypeOf<UdpLayer | undefined>()
    expectTypeOf<ParsedFrame['payload']>().toEqualTypeOf<Uint8Array>()
    expectTypeOf(numberedFrame).returns.toEqualTypeOf<Uint8Array>()
    expectTypeOf(numberOf).returns.toEqualTypeOf<number | undefined>()
    expectTypeOf<'syn'>().toExtend<TcpFlag>()
    compiles(() => buildFrame({ ipv6: { from: 'fd00::1', to: 'fd00::2' }, icmpv6: { type: 128 } }))
    // @ts-expect-error an address of each end
    compiles(() => buildFrame({ ipv4: { from: '10.0.0.1' } }))
    // @ts-expect-error a misspelt layer
    compiles(() => buildFrame({ ipv5: {} }))
    // @ts-expect-error no such flag
    compiles(() => buildFrame({ tcp: { from: 1, to: 2, flags: ['sin'] } }))
    // @ts-expect-error a number first, then options
    compiles(() => numberedFrame({ length: 60 }))
  })

  it('know of what each expectation is said', () => {
    expectTypeOf<3 | { from: '1%'; to: 5 }>().toExtend<ExpectedLoss>()
    expectTypeOf<'1%'>().not.toExtend<ExpectedLoss>()
    expectTypeOf(assertLab.toLose).parameter(0).toEqualTypeOf<Lab | Network | Fabric | Path>()
    expectTypeOf(assertLab.toArriveWithin).parameter(0).toEqualTypeOf<Sent>()
    expectTypeOf(assertLab.toArriveWithin).returns.resolves.toBeVoid()
    expectTypeOf(assertLab.not.toHaveReached).returns.toBeVoid()
    expectTypeOf<keyof typeof etherloomMatchers>().toEqualTypeOf<keyof EtherloomMatchers>()
    compiles((net) => assertLab.toLose(net, { from: '1%' }, { reason: 'loss' satisfies DropReason }))
    // @ts-expect-error no such reason
    compiles((net) => assertLab.toLose(net, 3, { reason: 'lost' }))
    // @ts-expect-error a name is no port
    compiles(() => assertLab.toHaveReached('red'))
    // @ts-expect-error a port has not been sent
    compiles((_net, port) => assertLab.toArriveWithin(port, '10ms', port))
    // @ts-expect-error a share is in per cent
    compiles((_net, _port, path) => assertLab.toLose(path, { from: '0.1' }))
  })
})
