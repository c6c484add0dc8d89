/** The public names of `etherloom/testing`, and nothing else. */
export {
  buildFrame,
  numberedFrame,
  numberOf,
  parseFrame,
  type ArpLayer,
  type EthernetLayer,
  type FrameLayers,
  type IcmpLayer,
  type Ipv4Layer,
  type Ipv6Layer,
  type NumberedFrameOptions,
  type ParsedFrame,
  type TcpFlag,
  type TcpLayer,
  type UdpLayer,
  type VlanLayer,
} from './frames.js'
export { lab, type Lab, type LabOptions } from './lab.js'
export type { Arrival, FrameMatch, LabPort, NextOptions, Sent } from './lab-port.js'
export {
  assertLab,
  etherloomChai,
  etherloomMatchers,
  type EtherloomMatchers,
  type ExpectedLoss,
  type LossBound,
  type LossOptions,
  type WithPaths,
} from './matchers.js'
export {
  mochaHooks,
  type MochaContext,
  type NodeTestContext,
  type TestHandle,
  type VitestContext,
} from './runners.js'
