#include "binding/engine.hpp"

#include <algorithm>

#include "binding/convert.hpp"
#include "binding/devices.hpp"
#include "fabrics/hub.hpp"
#include "fabrics/switch.hpp"
#include "fabrics/wire.hpp"
#include "ports/datagram_port.hpp"
#include "ports/generator_port.hpp"
#include "ports/memory_port.hpp"
#include "ports/patch_port.hpp"

namespace etherloom {
namespace {

PortId portAt(const Napi::CallbackInfo& info, std::size_t index) { return PortId{uint32At(info, index)}; }
Napi::Value give(Napi::Env env, std::uint64_t number) {
  return Napi::Number::New(env, static_cast<double>(number));
}

std::unique_ptr<Fabric> makeFabric(const std::string& kind, const Napi::Object& options) {
  if (kind == "hub") return std::make_unique<Hub>();
  if (kind == "wire") return std::make_unique<Wire>();
  SwitchSettings settings;
  settings.ageing = {signed64(options, "ageing")};
  settings.addresses = number(options, "addresses");
  settings.forwardReserved = flag(options, "forwardReserved");
  return std::make_unique<Switch>(settings);
}

/// {offered, duplicated, delivered, deliveredBytes, waiting, inFlight, marked, delayed, reordered, corrupted,
/// dropped...}
void write(const PathSnapshot& snapshot, std::uint64_t* into) {
  const std::uint64_t words[] = {snapshot.offered,        snapshot.duplicated, snapshot.delivered,
                                 snapshot.deliveredBytes, snapshot.waiting,    snapshot.inFlight,
                                 snapshot.marked,         snapshot.delayed,    snapshot.reordered,
                                 snapshot.corrupted};
  std::copy(std::begin(words), std::end(words), into);
  std::copy(snapshot.dropped.begin(), snapshot.dropped.end(), into + std::size(words));
}
/// The number of the port in a slot, -1 when it has gone meanwhile.
Napi::Value seatNumber(Napi::Env env, const Engine& engine, std::uint32_t fabric, Slot slot) {
  const auto port = engine.portAt(FabricId{fabric}, slot);
  return Napi::Number::New(env, port ? static_cast<double>(static_cast<std::uint32_t>(*port)) : -1.0);
}

/// By LinkEvent::Kind.
constexpr std::array<const char*, 4> linkChanges{"appeared", "changed", "vanished", "overrun"};

constexpr std::size_t pathWords = 10 + dropReasonCount;
constexpr std::size_t portWords = 4 + dropReasonCount + pathWords;

}  // namespace

Napi::Function EngineObject::define(Napi::Env env) {
  using Self = EngineObject;
  return DefineClass(env, "Engine",
                     {
                         InstanceMethod<&Self::addFabric>("addFabric"),
                         InstanceMethod<&Self::removeFabric>("removeFabric"),
                         InstanceMethod<&Self::expect>("expect"),
                         InstanceMethod<&Self::configure>("configure"),
                         InstanceMethod<&Self::attach>("attach"),
                         InstanceMethod<&Self::attachMemory>("attachMemory"),
                         InstanceMethod<&Self::attachPatch>("attachPatch"),
                         InstanceMethod<&Self::run>("run"),
                         InstanceMethod<&Self::detach>("detach"),
                         InstanceMethod<&Self::revive>("revive"),
                         InstanceMethod<&Self::endDevice>("endDevice"),
                         InstanceMethod<&Self::setMtu>("setMtu"),
                         InstanceMethod<&Self::setCarrier>("setCarrier"),
                         InstanceMethod<&Self::share>("share"),
                         InstanceMethod<&Self::apply>("apply"),
                         InstanceMethod<&Self::latest>("latest"),
                         InstanceMethod<&Self::settled>("settled"),
                         InstanceMethod<&Self::poll>("poll"),
                         InstanceMethod<&Self::advance>("advance"),
                         InstanceMethod<&Self::now>("now"),
                         InstanceMethod<&Self::leastLoaded>("leastLoaded"),
                         InstanceMethod<&Self::useBridge>("useBridge"),
                         InstanceMethod<&Self::commit>("commit"),
                         InstanceMethod<&Self::published>("published"),
                         InstanceMethod<&Self::consume>("consume"),
                         InstanceMethod<&Self::rearm>("rearm"),
                         InstanceMethod<&Self::taken>("taken"),
                         InstanceMethod<&Self::portStats>("portStats"),
                         InstanceMethod<&Self::pathStats>("pathStats"),
                         InstanceMethod<&Self::addresses>("addresses"),
                         InstanceMethod<&Self::startCapture>("startCapture"),
                         InstanceMethod<&Self::endCapture>("endCapture"),
                         InstanceMethod<&Self::captureState>("captureState"),
                         InstanceMethod<&Self::forgetCapture>("forgetCapture"),
                         InstanceMethod<&Self::lateness>("lateness"),
                         InstanceMethod<&Self::watchLinks>("watchLinks"),
                         InstanceMethod<&Self::watchSocket>("watchSocket"),
                         InstanceMethod<&Self::unwatch>("unwatch"),
                         InstanceMethod<&Self::keepAlive>("keepAlive"),
                         InstanceMethod<&Self::ioName>("ioName"),
                         InstanceMethod<&Self::ref>("ref"),
                         InstanceMethod<&Self::unref>("unref"),
                         InstanceMethod<&Self::close>("close"),
                     });
}

// new Engine({virtual, workers, seed, memory, io, spin}, wake)
EngineObject::EngineObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<EngineObject>(info) {
  const auto options = info[0].As<Napi::Object>();
  EngineOptions asked;
  asked.clock = flag(options, "virtual") ? Clock::Kind::Virtual : Clock::Kind::Real;
  asked.workers = number(options, "workers");
  asked.seed = unsigned64(options.Get("seed"));
  asked.memory = static_cast<std::size_t>(real(options, "memory"));
  const std::string io = text(options, "io");
  asked.io = io == "io_uring" ? IoKind::Uring : io == "epoll" ? IoKind::Epoll : IoKind::Best;
  bool whole = true;
  const std::int64_t spin = options.Get("spin").As<Napi::BigInt>().Int64Value(&whole);
  asked.spin = spin < 0 ? forever : Duration{spin};

  // One call may wait in the queue: a second wake-up before the first is served would say nothing new.
  wake_ = Napi::ThreadSafeFunction::New(info.Env(), info[1].As<Napi::Function>(), "etherloom", 1, 1);
  auto engine = Engine::create(asked, [wake = wake_] { wake.NonBlockingCall(); });
  if (!engine) {
    wake_.Release();
    raise(info.Env(), engine.error());
    return;
  }
  engine_ = std::move(*engine);
  napi_add_env_cleanup_hook(info.Env(), environmentEnds, this);
}

EngineObject::~EngineObject() { shutDown(); }

void EngineObject::environmentEnds(void* self) { static_cast<EngineObject*>(self)->shutDown(); }

// Idempotent. Workers are joined before anything that they could call is gone.
std::size_t EngineObject::shutDown() {
  if (!engine_) return 0;
  napi_remove_env_cleanup_hook(Env(), environmentEnds, this);
  watch_.reset();
  const std::size_t outstanding = engine_->close();
  engine_.reset();
  bridges_.clear();
  wake_.Release();
  return outstanding;
}

// addFabric(name, kind, forwarding, settings) → id
Napi::Value EngineObject::addFabric(const Napi::CallbackInfo& info) {
  const std::string kind = info[1].As<Napi::String>().Utf8Value();
  const FabricId id =
      engine_->addFabric(info[0].As<Napi::String>().Utf8Value(), makeFabric(kind, info[3].As<Napi::Object>()),
                         info[2].As<Napi::Boolean>().Value());
  return give(info.Env(), static_cast<std::uint32_t>(id));
}

Napi::Value EngineObject::removeFabric(const Napi::CallbackInfo& info) {
  return give(info.Env(), engine_->removeFabric(FabricId{uint32At(info, 0)}));
}

namespace {

/// {delay: bigint, receive?: {broadcast, multicast, addresses: BigUint64Array}, group?,
/// vlan?: {tagged: Uint16Array, untagged}}
PortSettings portSettings(const Napi::Object& given) {
  PortSettings settings;
  settings.delay = {signed64(given, "delay")};
  settings.group = text(given, "group");
  if (etherloom::given(given, "vlan")) {
    const auto vlan = given.Get("vlan").As<Napi::Object>();
    const auto tagged = vlan.Get("tagged").As<Napi::Uint16Array>();
    settings.vlans = std::make_shared<const PortVlans>(
        static_cast<std::uint16_t>(number(vlan, "untagged")),
        std::span<const std::uint16_t>(tagged.Data(), tagged.ElementLength()));
  }
  if (!etherloom::given(given, "receive")) return settings;
  const auto receive = given.Get("receive").As<Napi::Object>();
  const auto addresses = receive.Get("addresses").As<Napi::BigUint64Array>();
  ReceiveFilter filter;
  filter.broadcast = flag(receive, "broadcast");
  filter.multicast = flag(receive, "multicast");
  filter.addresses.assign(addresses.Data(), addresses.Data() + addresses.ElementLength());
  std::sort(filter.addresses.begin(), filter.addresses.end());
  settings.receive = std::make_shared<const ReceiveFilter>(std::move(filter));
  return settings;
}

}  // namespace

// expect(fabric, name, settings | undefined)
Napi::Value EngineObject::expect(const Napi::CallbackInfo& info) {
  std::optional<PortSettings> settings;
  if (!info[2].IsUndefined()) settings = portSettings(info[2].As<Napi::Object>());
  engine_->expect(FabricId{uint32At(info, 0)}, info[1].As<Napi::String>().Utf8Value(), std::move(settings));
  return info.Env().Undefined();
}

// configure(port, settings) → ticket
Napi::Value EngineObject::configure(const Napi::CallbackInfo& info) {
  return give(info.Env(), engine_->configure(portAt(info, 0), portSettings(info[1].As<Napi::Object>())));
}

// attach(fabric, name, device) → port
Napi::Value EngineObject::attach(const Napi::CallbackInfo& info) {
  auto& device = *info[2].As<Napi::External<Device>>().Data();
  auto port = engine_->attach(FabricId{uint32At(info, 0)}, info[1].As<Napi::String>().Utf8Value(),
                              std::move(device.port), {}, std::move(device.further));
  if (!port) return raise(info.Env(), port.error());
  return give(info.Env(), static_cast<std::uint32_t>(*port));
}

// attachMemory(fabric, name, worker, number, limit, quota) → port; the worker's bridge is in use already
Napi::Value EngineObject::attachMemory(const Napi::CallbackInfo& info) {
  const auto worker = static_cast<std::uint16_t>(uint32At(info, 2));
  auto memory = std::make_unique<MemoryPort>(*bridges_.at(worker).bridge, uint32At(info, 3),
                                             uint32At(info, 4), uint32At(info, 5));
  auto port = engine_->attach(FabricId{uint32At(info, 0)}, info[1].As<Napi::String>().Utf8Value(),
                              std::move(memory), worker);
  if (!port) return raise(info.Env(), port.error());
  return give(info.Env(), static_cast<std::uint32_t>(*port));
}

// attachPatch(fabric, name, limit, peer | -1) → port
Napi::Value EngineObject::attachPatch(const Napi::CallbackInfo& info) {
  auto patch = std::make_unique<PatchPort>(uint32At(info, 2));
  const std::int32_t peer = info[3].As<Napi::Number>().Int32Value();
  std::optional<std::uint16_t> worker;
  PatchPort* ends[2] = {patch.get(), nullptr};
  if (peer >= 0) {
    const PortId id{static_cast<std::uint32_t>(peer)};
    worker = engine_->workerOf(id);
    ends[1] = static_cast<PatchPort*>(&engine_->port(id));
  }
  auto port = engine_->attach(FabricId{uint32At(info, 0)}, info[1].As<Napi::String>().Utf8Value(),
                              std::move(patch), worker);
  if (!port) return raise(info.Env(), port.error());
  if (ends[1]) engine_->order(*worker, [ends](Worker&) { PatchPort::join(*ends[0], *ends[1]); });
  return give(info.Env(), static_cast<std::uint32_t>(*port));
}

// run(generator, whether) → ticket
Napi::Value EngineObject::run(const Napi::CallbackInfo& info) {
  auto& generator = static_cast<GeneratorPort&>(engine_->port(portAt(info, 0)));
  engine_->order(
      engine_->workerOf(portAt(info, 0)),
      [&generator, running = info[1].As<Napi::Boolean>().Value()](Worker&) { generator.run(running); });
  return give(info.Env(), engine_->fence([] {}));
}

Napi::Value EngineObject::detach(const Napi::CallbackInfo& info) {
  return give(info.Env(), engine_->detach(portAt(info, 0)));
}

// revive(port, device) → ticket
Napi::Value EngineObject::revive(const Napi::CallbackInfo& info) {
  auto& device = *info[1].As<Napi::External<Device>>().Data();
  return give(info.Env(),
              engine_->revive(portAt(info, 0), std::move(device.port), std::move(device.further)));
}

// endDevice(port)
Napi::Value EngineObject::endDevice(const Napi::CallbackInfo& info) {
  engine_->endDevice(portAt(info, 0));
  return info.Env().Undefined();
}

// setMtu(port, bytes)
Napi::Value EngineObject::setMtu(const Napi::CallbackInfo& info) {
  engine_->setMtu(portAt(info, 0), uint32At(info, 1));
  return info.Env().Undefined();
}

// setCarrier(port, on) → ticket
Napi::Value EngineObject::setCarrier(const Napi::CallbackInfo& info) {
  return give(info.Env(), engine_->setCarrier(portAt(info, 0), info[1].As<Napi::Boolean>().Value()));
}

// share(kind, bytes: Uint8Array) → number
Napi::Value EngineObject::share(const Napi::CallbackInfo& info) {
  const auto bytes = info[1].As<Napi::Uint8Array>();
  return give(info.Env(), policies_.share(uint32At(info, 0), {bytes.Data(), bytes.ByteLength()}));
}

// apply(fabric, policies, triples, flush) → [up, down, changed, ticket]
// policies: Uint8Array of records; triples: Uint32Array of from, to, record (2^32 - 1: the fabric's default)
Napi::Value EngineObject::apply(const Napi::CallbackInfo& info) {
  const auto records = info[1].As<Napi::Uint8Array>();
  const auto triples = info[2].As<Napi::Uint32Array>();
  const auto given = policies_.read({records.Data(), records.ByteLength()});
  if (!given) return raise(info.Env(), given.error());
  std::vector<PathChange> changes;
  changes.reserve(triples.ElementLength() / 3);
  for (const std::uint32_t* at = triples.Data(); changes.size() < triples.ElementLength() / 3; at += 3) {
    const bool any = at[2] < given->size();
    const auto [policy, seed] = any ? (*given)[at[2]] : GivenPolicy{};
    changes.push_back({PortId{at[0]}, PortId{at[1]}, policy, seed});
  }
  const Applied applied =
      engine_->apply(FabricId{uint32At(info, 0)}, changes, info[3].As<Napi::Boolean>().Value());

  auto result = Napi::Array::New(info.Env(), 4);
  result.Set(0u, give(info.Env(), applied.up));
  result.Set(1u, give(info.Env(), applied.down));
  result.Set(2u, give(info.Env(), applied.changed));
  result.Set(3u, give(info.Env(), applied.ticket));
  return result;
}

// latest() → the ticket of everything ordered so far
Napi::Value EngineObject::latest(const Napi::CallbackInfo& info) {
  return give(info.Env(), engine_->latest());
}

Napi::Value EngineObject::settled(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(),
                            engine_->settled(static_cast<Ticket>(info[0].As<Napi::Number>().Int64Value())));
}

// poll() → [{kind, ...}...]: what happened since the last call; carries tickets forward
Napi::Value EngineObject::poll(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  auto happened = Napi::Array::New(env);
  if (!engine_) return happened;
  engine_->poll([&](const Event& event) {
    auto object = Napi::Object::New(env);
    object.Set("kind", static_cast<std::uint32_t>(event.kind));
    if (event.kind == EventKind::PortDown) {
      object.Set("port", static_cast<std::uint32_t>(event.port));
      object.Set("errno", event.error);
    } else {
      object.Set("fabric", event.fabric);
      object.Set("address", Napi::BigInt::New(env, event.move.address.value));
      object.Set("from", seatNumber(env, *engine_, event.fabric, event.move.from));
      object.Set("to", seatNumber(env, *engine_, event.fabric, event.move.to));
    }
    happened.Set(happened.Length(), object);
  });
  std::vector<LinkNews> news;
  std::vector<std::uint32_t> sockets;
  {
    const std::lock_guard lock(newsMutex_);
    news.swap(news_);
    sockets.swap(readySockets_);
  }
  for (const std::uint32_t watch : sockets) {
    auto object = Napi::Object::New(env);
    object.Set("socket", watch);
    happened.Set(happened.Length(), object);
  }
  for (const LinkNews& each : news) {
    auto object = Napi::Object::New(env);
    object.Set("watch", each.watch);
    object.Set("change", linkChanges[static_cast<std::size_t>(each.event.kind)]);
    object.Set("moved", each.event.moved);
    object.Set("index", each.event.link.index);
    object.Set("name", each.event.link.name);
    object.Set("mtu", each.event.link.mtu);
    happened.Set(happened.Length(), object);
  }
  return happened;
}

Napi::Value EngineObject::advance(const Napi::CallbackInfo& info) {
  bool lossless = false;
  engine_->advance({info[0].As<Napi::BigInt>().Int64Value(&lossless)});
  return info.Env().Undefined();
}

Napi::Value EngineObject::now(const Napi::CallbackInfo& info) {
  return Napi::BigInt::New(info.Env(), engine_->now().nanoseconds);
}

// ---- memory ports ----

Napi::Value EngineObject::leastLoaded(const Napi::CallbackInfo& info) {
  return give(info.Env(), engine_->leastLoaded());
}

// useBridge(worker, inbound, outbound, drain): ArrayBuffers, a power of two long; drain() reads all that is
// published
Napi::Value EngineObject::useBridge(const Napi::CallbackInfo& info) {
  const auto worker = static_cast<std::uint16_t>(uint32At(info, 0));
  auto inbound = info[1].As<Napi::ArrayBuffer>();
  auto outbound = info[2].As<Napi::ArrayBuffer>();
  const auto bytes = [](Napi::ArrayBuffer& buffer) {
    return std::span(static_cast<std::byte*>(buffer.Data()), buffer.ByteLength());
  };
  Bridge& entry = bridges_[worker];
  entry.inbound = Napi::Persistent(inbound);
  entry.outbound = Napi::Persistent(outbound);
  std::function<void()> makeRoom;
  if (engine_->isVirtual()) {
    entry.drain = Napi::Persistent(info[3].As<Napi::Function>());
    makeRoom = [&entry] {
      const Napi::HandleScope scope(entry.drain.Env());
      entry.drain.Call({});
    };
  }
  entry.bridge = std::make_unique<MemoryBridge>(
      bytes(inbound), bytes(outbound), [wake = wake_] { wake.NonBlockingCall(); }, std::move(makeRoom));
  engine_->useBridge(worker, *entry.bridge);
  return info.Env().Undefined();
}

// commit(worker, position) → the position up to which the worker has read
Napi::Value EngineObject::commit(const Napi::CallbackInfo& info) {
  const auto worker = static_cast<std::uint16_t>(uint32At(info, 0));
  ByteRing& ring = bridges_.at(worker).bridge->inbound;
  ring.publish(static_cast<std::uint64_t>(info[1].As<Napi::Number>().Int64Value()));
  engine_->committed(worker);
  return give(info.Env(), ring.consumed());
}

Napi::Value EngineObject::published(const Napi::CallbackInfo& info) {
  return give(info.Env(),
              bridges_.at(static_cast<std::uint16_t>(uint32At(info, 0))).bridge->outbound.published());
}

Napi::Value EngineObject::consume(const Napi::CallbackInfo& info) {
  bridges_.at(static_cast<std::uint16_t>(uint32At(info, 0)))
      .bridge->outbound.consume(static_cast<std::uint64_t>(info[1].As<Napi::Number>().Int64Value()));
  return info.Env().Undefined();
}

Napi::Value EngineObject::rearm(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(),
                            bridges_.at(static_cast<std::uint16_t>(uint32At(info, 0))).bridge->rearm());
}

// taken(port, frames)
Napi::Value EngineObject::taken(const Napi::CallbackInfo& info) {
  static_cast<MemoryPort&>(engine_->port(portAt(info, 0))).taken(uint32At(info, 1));
  return info.Env().Undefined();
}

// ---- what is going on ----

// portStats(port) → {receivedFrames, receivedBytes, transmittedFrames, transmittedBytes, dropped..., path
// words...}
Napi::Value EngineObject::portStats(const Napi::CallbackInfo& info) {
  const PortSnapshot snapshot = engine_->portSnapshot(portAt(info, 0));
  auto words = Napi::BigUint64Array::New(info.Env(), portWords);
  words[0] = snapshot.receivedFrames;
  words[1] = snapshot.receivedBytes;
  words[2] = snapshot.transmittedFrames;
  words[3] = snapshot.transmittedBytes;
  std::copy(snapshot.dropped.begin(), snapshot.dropped.end(), words.Data() + 4);
  write(snapshot.defaults, words.Data() + 4 + dropReasonCount);
  return words;
}

// pathStats(from, to) → {offered, duplicated, delivered, deliveredBytes, waiting, inFlight, marked, delayed,
// reordered, corrupted, dropped...} | undefined
Napi::Value EngineObject::pathStats(const Napi::CallbackInfo& info) {
  const auto snapshot = engine_->pathSnapshot(portAt(info, 0), portAt(info, 1));
  if (!snapshot) return info.Env().Undefined();
  auto words = Napi::BigUint64Array::New(info.Env(), pathWords);
  write(*snapshot, words.Data());
  return words;
}

// addresses(fabric) → [{address, port, age}...]; a slot whose port has gone meanwhile is left out
Napi::Value EngineObject::addresses(const Napi::CallbackInfo& info) {
  const FabricId fabric{uint32At(info, 0)};
  auto rows = Napi::Array::New(info.Env());
  for (const AddressRow& row : engine_->addresses(fabric)) {
    const auto port = engine_->portAt(fabric, row.slot);
    if (!port) continue;
    auto object = Napi::Object::New(info.Env());
    object.Set("address", Napi::BigInt::New(info.Env(), row.address.value));
    object.Set("port", static_cast<std::uint32_t>(*port));
    object.Set("age", Napi::BigInt::New(info.Env(), row.age.nanoseconds));
    rows.Set(rows.Length(), object);
  }
  return rows;
}

// startCapture({file | socket, snapLength, count, buffer}, [{from, to, kind, name, description, filter}...])
// → capture; `to` is -1 for a port
Napi::Value EngineObject::startCapture(const Napi::CallbackInfo& info) {
  const auto options = info[0].As<Napi::Object>();
  auto output = given(options, "socket") ? Output::socket(text(options, "socket"))
                                         : Output::file(text(options, "file"));
  if (!output) return raise(info.Env(), output.error());
  CaptureSettings settings;
  settings.snapLength = number(options, "snapLength");
  settings.count = static_cast<std::uint64_t>(real(options, "count"));
  settings.buffer = static_cast<std::size_t>(real(options, "buffer"));
  std::vector<CaptureTarget> targets;
  const auto given = info[1].As<Napi::Array>();
  for (std::uint32_t index = 0; index < given.Length(); ++index) {
    const auto target = given.Get(index).As<Napi::Object>();
    const std::int32_t to = target.Get("to").As<Napi::Number>().Int32Value();
    targets.push_back({PortId{number(target, "from")},
                       to < 0 ? std::nullopt : std::optional(PortId{static_cast<std::uint32_t>(to)}),
                       static_cast<CaptureTap::Kind>(number(target, "kind")),
                       {text(target, "name"), text(target, "description"), text(target, "filter")}});
  }
  const auto capture = engine_->startCapture(settings, std::move(*output), targets);
  if (!capture) return raise(info.Env(), capture.error());
  return give(info.Env(), static_cast<std::uint32_t>(*capture));
}

// endCapture(capture) → ticket
Napi::Value EngineObject::endCapture(const Napi::CallbackInfo& info) {
  return give(info.Env(), engine_->endCapture(CaptureId{uint32At(info, 0)}));
}

// captureState(capture) → [state, errno, frames, bytes, lost]
Napi::Value EngineObject::captureState(const Napi::CallbackInfo& info) {
  const Capture& capture = engine_->capture(CaptureId{uint32At(info, 0)});
  auto words = Napi::BigUint64Array::New(info.Env(), 5);
  words[0] = static_cast<std::uint64_t>(capture.state());
  words[1] = capture.state() == Capture::State::Failed ? static_cast<std::uint64_t>(capture.failure()) : 0;
  words[2] = capture.frames();
  words[3] = capture.bytes();
  words[4] = capture.lost();
  return words;
}

Napi::Value EngineObject::forgetCapture(const Napi::CallbackInfo& info) {
  engine_->forgetCapture(CaptureId{uint32At(info, 0)});
  return info.Env().Undefined();
}

// lateness(worker) → {longest, count of each bucket...}
Napi::Value EngineObject::lateness(const Napi::CallbackInfo& info) {
  const LatenessSnapshot snapshot = engine_->lateness(uint32At(info, 0));
  auto words = Napi::BigUint64Array::New(info.Env(), 1 + latenessBuckets);
  words[0] = snapshot.most;
  std::copy(snapshot.counts.begin(), snapshot.counts.end(), words.Data() + 1);
  return words;
}

Result<DescriptorWatch*> EngineObject::watcher() {
  if (!watch_) {
    auto made = DescriptorWatch::create();
    if (!made) return made.error();
    watch_ = std::move(*made);
  }
  return watch_.get();
}

// Called from the watching thread.
template <typename News>
void EngineObject::tell(std::vector<News>& list, News news) {
  {
    const std::lock_guard lock(newsMutex_);
    list.push_back(std::move(news));
  }
  wake_.NonBlockingCall();
}

// watchLinks(namespace | undefined) → watch
Napi::Value EngineObject::watchLinks(const Napi::CallbackInfo& info) {
  auto watcher = this->watcher();
  if (!watcher) return raise(info.Env(), watcher.error());
  auto opened = LinkMonitor::open(
      info[0].IsUndefined() ? nullptr : info[0].As<Napi::External<NetworkNamespace>>().Data());
  if (!opened) return raise(info.Env(), opened.error());
  const auto monitor = std::make_shared<LinkMonitor>(std::move(*opened));
  auto watch = (*watcher)->add(monitor->fd(), DescriptorWatch::What::Readable, [this, monitor](auto number) {
    monitor->drain([&](const LinkEvent& event) { tell(news_, {number, event}); });
    return true;
  });
  if (!watch) return raise(info.Env(), watch.error());
  return give(info.Env(), *watch);
}

// watchSocket(socket, 'readable' | 'writable') → watch, which is reported once
Napi::Value EngineObject::watchSocket(const Napi::CallbackInfo& info) {
  auto watcher = this->watcher();
  if (!watcher) return raise(info.Env(), watcher.error());
  const bool readable = info[1].As<Napi::String>().Utf8Value() == "readable";
  auto watch = (*watcher)->add(info[0].As<Napi::External<Socket>>().Data()->descriptor(),
                               readable ? DescriptorWatch::What::Readable : DescriptorWatch::What::Writable,
                               [this](auto number) {
                                 tell(readySockets_, number);
                                 return false;
                               });
  if (!watch) return raise(info.Env(), watch.error());
  return give(info.Env(), *watch);
}

// unwatch(watch)
Napi::Value EngineObject::unwatch(const Napi::CallbackInfo& info) {
  if (watch_) watch_->remove(uint32At(info, 0));
  return info.Env().Undefined();
}

// keepAlive(port of datagrams)
Napi::Value EngineObject::keepAlive(const Napi::CallbackInfo& info) {
  auto& port = static_cast<DatagramPort&>(engine_->port(portAt(info, 0)));
  engine_->order(engine_->workerOf(portAt(info, 0)), [&port](Worker&) { port.keepAlive(); });
  return info.Env().Undefined();
}

Napi::Value EngineObject::ioName(const Napi::CallbackInfo& info) {
  return Napi::String::New(info.Env(), engine_->ioName());
}

Napi::Value EngineObject::ref(const Napi::CallbackInfo& info) {
  wake_.Ref(info.Env());
  return info.Env().Undefined();
}

Napi::Value EngineObject::unref(const Napi::CallbackInfo& info) {
  wake_.Unref(info.Env());
  return info.Env().Undefined();
}

// close() → frames that were still referenced, which is 0
Napi::Value EngineObject::close(const Napi::CallbackInfo& info) { return give(info.Env(), shutDown()); }

}  // namespace etherloom
