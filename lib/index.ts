/** The public names of etherloom, and nothing else. */
export type { Abortable, AttachOptions, ReceiveOptions } from './fabrics/attachment.js'
export {
  Capture,
  type CaptureOptions,
  type CaptureOutput,
  type CaptureStats,
  type PathCaptureOptions,
} from './capture/capture.js'
export type { Replay } from './policy/replay/fates.js'
export type { ControlClient, ControlClientEvents } from './control/client.js'
export { connect, type ConnectOptions } from './control/connect.js'
export type { ControlEvent, ControlEventName, ControlEvents } from './control/events.js'
export type { ControlMethods, ControlParams, ControlResult } from './control/methods/index.js'
export { Engine, type BackgroundEvents, type EngineOptions } from './engine/engine.js'
export { EtherloomError, errorCodes, type ErrorCode } from './values/errors.js'
export { Fabric, type FabricEvents, type FabricOptions } from './fabrics/fabric.js'
export { filterKinds, type FilterKind, type FilterSource, type Match } from './policy/filters/index.js'
export type { GatewayOptions } from './gateway/options.js'
export { Hub } from './fabrics/hub.js'
export {
  formatTrace,
  type TraceFile,
  type TraceOptions,
  type TraceRow,
  type TraceRows,
  type TraceSource,
} from './policy/lines/trace.js'
export type { Chance } from './policy/impairments/chance.js'
export type { FourState, GilbertElliott, Loss, LossInBursts } from './policy/impairments/loss.js'
export type { Outage } from './policy/impairments/outage.js'
export type { Distribution, TabledDistribution } from './policy/lines/distribution.js'
export { Namespace, type Route } from './engine/namespace.js'
export { Path, PathPair, type ChangeOptions, type PathChange } from './fabrics/path.js'
export type { CodelOptions, Discipline, RedOptions } from './policy/lines/discipline.js'
export type { CellOptions } from './policy/lines/line.js'
export type { DistributedSlotOptions, SlotOptions, UniformSlotOptions } from './policy/lines/slot.js'
export type { Applied, Policy, PolicyOptions } from './policy/policy.js'
export {
  Port,
  type FabricPortEvents,
  type PortEvents,
  type PortFabric,
  type PortState,
} from './ports/port.js'
export { portKinds } from './ports/index.js'
export type { DeviceFacts, OwnInterface, PortKind, PortReference } from './ports/kind.js'
export { Batch } from './ports/batch.js'
export { GeneratorPort, type GeneratorPortOptions } from './ports/generator.js'
export { MemoryPort, type MemoryPortOptions } from './ports/memory.js'
export { PacketPort, type PacketPortOptions } from './ports/packet.js'
export { SplicePort, type SplicePortOptions } from './ports/splice.js'
export { PasstPort, type PasstPortOptions } from './ports/passt.js'
export { PatchPort, type PatchPortOptions } from './ports/patch.js'
export { SinkPort, type SinkPortOptions } from './ports/sink.js'
export { serverKinds, type ListenOptions } from './fabrics/servers/index.js'
export {
  PortServer,
  type PeerOptions,
  type PortServerEvents,
  type ServerKind,
} from './fabrics/servers/server.js'
export { SocketServer, type SocketServerOptions } from './fabrics/servers/socket.js'
export { VdePeerPort, VdeServer, type VdeServerOptions } from './fabrics/servers/vde.js'
export { WebSocketServer, type WebSocketServerOptions } from './fabrics/servers/websocket.js'
export { SocketPort, type SocketPortOptions } from './ports/socket.js'
export type { Framing } from './ports/framings.js'
export { TapPort, type TapPortOptions } from './ports/tap.js'
export { UdpPort, type UdpPortOptions } from './ports/udp.js'
export { VdePort, type VdePortOptions } from './ports/vde.js'
export { VxlanPort, type VxlanPeerStats, type VxlanPortOptions, type VxlanStrays } from './ports/vxlan.js'
export { WebSocketPort, type WebSocketPortOptions } from './ports/websocket.js'
export type { InheritedSocket, Spawned, SpawnOptions } from './fabrics/spawn.js'
export {
  dropReasons,
  type DropReason,
  type Drops,
  type FabricStats,
  type Lateness,
  type PathStats,
  type PortStats,
} from './values/stats.js'
export { fabricKinds } from './fabrics/index.js'
export type { FabricKind, LearnedAddress } from './fabrics/kind.js'
export type { StormBegin, StormEnd, StormOptions, StormTraffic } from './fabrics/storm.js'
export { Switch, type SwitchOptions } from './fabrics/switch.js'
export type {
  TimelineCarrier,
  TimelineCarrierFlap,
  TimelineChange,
  TimelineEntry,
  TimelineFlap,
  TimelinePaths,
  TimelineRamp,
} from './timeline/entries.js'
export type { Timeline, TimelineEvents, TimelineProgress, TimelineStep } from './timeline/timeline.js'
export type { Conversion, ConversionOptions, ForeignFormat, SourceFile } from './topology/import/format.js'
export { foreignFormats } from './topology/import/index.js'
export { loadTopology, parseTopology } from './topology/load.js'
export { Network, type NetworkApplied, type NetworkEvents } from './topology/network.js'
export type { Topology } from './topology/schema.js'
export {
  about,
  flag,
  integer,
  list,
  mapping,
  oneOf,
  required,
  text,
  type Rule,
  type Rules,
} from './values/options.js'
export type { Keyed, Registry } from './values/registry.js'
export type { Complain, Place } from './values/problem.js'
export type { Percentage } from './values/options.js'
export {
  formatDuration,
  formatRate,
  formatSize,
  parseDuration,
  parseQueueLimit,
  parseRate,
  parseSize,
  type Duration,
  type QueueBound,
  type QueueLimit,
  type Rate,
  type Size,
} from './values/units.js'
export type { VlanOptions } from './fabrics/vlan.js'
export { Wire } from './fabrics/wire.js'
export type { Distances, GivenDistances } from './world/distances.js'
export type { LinkChange } from './world/links/links.js'
export type { NicMaker, WhenDown } from './world/links/wire-links.js'
export { LogDistanceModel, type LogDistanceModelOptions } from './world/models/log-distance.js'
export { linkModels } from './world/models/index.js'
export type { LinkModelKind, LinkQualityModel } from './world/models/model.js'
export { RangeModel, type RangeModelOptions } from './world/models/range.js'
export { WifiExponentialModel, WifiLinearModel, type WifiModelOptions } from './world/models/wifi.js'
export { CoreTopologies, type CoreTopologiesOptions } from './world/movements/core-topologies.js'
export {
  DistanceMatrices,
  type DistanceMatricesOptions,
  type DistanceMatrix,
} from './world/movements/matrices.js'
export { movements } from './world/movements/index.js'
export type { Movement, MovementKind, Surroundings } from './world/movements/movement.js'
export { RandomWalk, type RandomWalkOptions } from './world/movements/random-walk.js'
export { RandomWaypoint, type RandomWaypointOptions } from './world/movements/random-waypoint.js'
export type { WorldOptions } from './world/options.js'
export { World, type WorldEvents, type WorldLink, type WorldStep } from './world/world.js'
