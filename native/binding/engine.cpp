#include "binding/engine.hpp"

#include <algorithm>

#include "binding/call.hpp"
#include "binding/device.hpp"
#include "binding/exports.hpp"

namespace etherloom {
namespace {

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
/// -1 for a port that has left.
Napi::Value numberOf(Napi::Env env, std::optional<PortId> port) {
  return port ? give(env, *port) : Napi::Number::New(env, -1);
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
                         method<&Self::addFabric>("addFabric"),
                         method<&Engine::removeFabric>("removeFabric"),
                         method<&Self::expect>("expect"),
                         method<&Self::configure>("configure"),
                         method<&Self::attach>("attach"),
                         method<&Engine::detach>("detach"),
                         method<&Self::revive>("revive"),
                         method<&Engine::endDevice>("endDevice"),
                         method<&Engine::setMtu>("setMtu"),
                         method<&Engine::setCarrier>("setCarrier"),
                         method<&Self::share>("share"),
                         method<&Self::apply>("apply"),
                         method<&Engine::latest>("latest"),
                         method<&Engine::settled>("settled"),
                         method<&Self::poll>("poll"),
                         method<&Self::advance>("advance"),
                         method<&Engine::now>("now"),
                         method<&Engine::leastLoaded>("leastLoaded"),
                         method<&Self::portStats>("portStats"),
                         method<&Self::pathStats>("pathStats"),
                         method<&Self::addresses>("addresses"),
                         InstanceMethod<&Self::startCapture>("startCapture"),
                         method<&Engine::endCapture>("endCapture"),
                         method<&Self::captureState>("captureState"),
                         method<&Engine::forgetCapture>("forgetCapture"),
                         method<&Self::lateness>("lateness"),
                         method<&Self::watchLinks>("watchLinks"),
                         method<&Self::unwatch>("unwatch"),
                         method<&Engine::ioName>("ioName"),
                         method<&Self::ref>("ref"),
                         method<&Self::unref>("unref"),
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

const char* EngineObject::unusable() const {
  if (!engine_) return "the engine is closed; make a new one";
  if (advancing_) return "the clock is being advanced; do it after that has returned";
  return nullptr;
}

EngineObject* Arguments::engineIn(const Napi::Value& value) {
  EngineObject* const engine =
      value.IsObject() ? EngineObject::Unwrap(value.As<Napi::Object>()) : refuse<EngineObject>("no engine");
  if (engine) use(*engine);
  return engine;
}

void Arguments::use(EngineObject& engine) {
  if (const char* why = engine.unusable()) {
    refuse<void>(why);
  } else {
    engine_ = &engine.native();
  }
}

// Idempotent. Workers are joined before anything that they could call is gone.
std::size_t EngineObject::shutDown() {
  if (!engine_) return 0;
  napi_remove_env_cleanup_hook(Env(), environmentEnds, this);
  watch_.reset();
  const std::size_t outstanding = engine_->close();
  engine_.reset();
  wake_.Release();
  return outstanding;
}

// addFabric(name, kind, forwarding, settings) → id
Result<FabricId> EngineObject::addFabric(std::string name, std::string kind, bool forwarding,
                                         Napi::Object settings) {
  auto fabric = FabricKind::make(kind, settings);
  if (!fabric) return Error{EINVAL, "", "there is no kind of fabric '" + kind + "'"};
  return engine_->addFabric(std::move(name), std::move(fabric), forwarding);
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
void EngineObject::expect(FabricId fabric, std::string name, Napi::Value given) {
  std::optional<PortSettings> settings;
  if (given.IsObject()) settings = portSettings(given.As<Napi::Object>());
  engine_->expect(fabric, name, std::move(settings));
}

// configure(port, settings) → ticket
Ticket EngineObject::configure(PortId port, Napi::Object settings) {
  return engine_->configure(port, portSettings(settings));
}

// attach(fabric, name, device) → port
Result<PortId> EngineObject::attach(FabricId fabric, std::string name, Device& device) {
  if (!device.port) return Error{EINVAL, "", "the device was given to a port before"};
  return engine_->attach(fabric, std::move(name), std::move(device.port), device.worker,
                         std::move(device.further));
}

// revive(port, device) → ticket
Result<Ticket> EngineObject::revive(PortId port, Device& device) {
  if (!device.port) return Error{EINVAL, "", "the device was given to a port before"};
  return engine_->revive(port, std::move(device.port), std::move(device.further));
}

// share(kind, bytes: Uint8Array) → number
std::uint64_t EngineObject::share(std::uint32_t kind, Napi::Uint8Array bytes) {
  return policies_.share(kind, {bytes.Data(), bytes.ByteLength()});
}

// apply(fabric, policies, triples, flush) → [up, down, changed, ticket]
// policies: Uint8Array of records; triples: Uint32Array of from, to, record (2^32 - 1: the fabric's default)
Napi::Value EngineObject::apply(FabricId fabric, Napi::Uint8Array records, Napi::Uint32Array triples,
                                bool flush) {
  const auto given = policies_.read({records.Data(), records.ByteLength()});
  if (!given) return raise(Env(), given.error());
  std::vector<PathChange> changes;
  changes.reserve(triples.ElementLength() / 3);
  for (const std::uint32_t* at = triples.Data(); changes.size() < triples.ElementLength() / 3; at += 3) {
    for (const PortId port : {PortId{at[0]}, PortId{at[1]}}) {
      if (!engine_->knows(port) || engine_->fabricOf(port) != fabric)
        return raiseState(Env(), "a port of the change is not attached any more; attach it first");
    }
    const bool any = at[2] < given->size();
    const auto [policy, seed] = any ? (*given)[at[2]] : GivenPolicy{};
    changes.push_back({PortId{at[0]}, PortId{at[1]}, policy, seed});
  }
  const Applied applied = engine_->apply(fabric, changes, flush);
  auto result = Napi::Array::New(Env(), 4);
  result.Set(0u, give(Env(), applied.up));
  result.Set(1u, give(Env(), applied.down));
  result.Set(2u, give(Env(), applied.changed));
  result.Set(3u, give(Env(), applied.ticket));
  return result;
}

// poll() → [{kind, ...}...]: what happened since the last call; carries tickets forward
Napi::Value EngineObject::poll() {
  const Napi::Env env = Env();
  auto happened = Napi::Array::New(env);
  engine_->poll([&](const Event& event) {
    auto object = Napi::Object::New(env);
    object.Set("kind", static_cast<std::uint32_t>(event.kind));
    if (event.kind == EventKind::PortDown) {
      object.Set("port", static_cast<std::uint32_t>(event.port));
      object.Set("errno", event.error);
    } else {
      object.Set("fabric", event.fabric);
      object.Set("address", Napi::BigInt::New(env, event.address.value));
      object.Set("from", numberOf(env, event.from));
      object.Set("to", numberOf(env, event.to));
    }
    happened.Set(happened.Length(), object);
  });
  std::vector<LinkNews> news;
  std::vector<std::uint32_t> ready;
  {
    const std::lock_guard lock(newsMutex_);
    news.swap(news_);
    ready.swap(ready_);
  }
  for (const std::uint32_t watch : ready) {
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

// A memory bridge may call JavaScript meanwhile, to make room: that takes frames and nothing else.
void EngineObject::advance(Duration duration) {
  advancing_ = true;
  engine_->advance(duration);
  advancing_ = false;
}

// ---- what is going on ----

// portStats(port) → {receivedFrames, receivedBytes, transmittedFrames, transmittedBytes, dropped..., path
// words...}
Napi::Value EngineObject::portStats(PortId port) {
  const PortSnapshot snapshot = engine_->portSnapshot(port);
  auto words = Napi::BigUint64Array::New(Env(), portWords);
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
Napi::Value EngineObject::pathStats(PortId from, PortId to) {
  const auto snapshot = engine_->pathSnapshot(from, to);
  if (!snapshot) return Env().Undefined();
  auto words = Napi::BigUint64Array::New(Env(), pathWords);
  write(*snapshot, words.Data());
  return words;
}

// addresses(fabric) → [{address, port, age}...]
Napi::Value EngineObject::addresses(FabricId fabric) {
  auto rows = Napi::Array::New(Env());
  for (const LearnedAddress& known : engine_->addresses(fabric)) {
    auto object = Napi::Object::New(Env());
    object.Set("address", Napi::BigInt::New(Env(), known.address.value));
    object.Set("port", static_cast<std::uint32_t>(known.port));
    object.Set("age", Napi::BigInt::New(Env(), known.age.nanoseconds));
    rows.Set(rows.Length(), object);
  }
  return rows;
}

// startCapture({file | socket, snapLength, count, buffer}, [{from, to, kind, name, description, filter}...])
// → capture; `to` is -1 for a port
Napi::Value EngineObject::startCapture(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  arguments.use(*this);
  std::vector<CaptureTarget> targets;
  const auto asked = info[1].As<Napi::Array>();
  for (std::uint32_t index = 0; index < asked.Length(); ++index) {
    const auto target = asked.Get(index).As<Napi::Object>();
    targets.push_back({arguments.numbered<PortId>(target.Get("from")),
                       arguments.port(target.Get("to")),
                       static_cast<CaptureTap::Kind>(number(target, "kind")),
                       {text(target, "name"), text(target, "description"), text(target, "filter")}});
  }
  if (arguments.refusal()) return raiseState(info.Env(), *arguments.refusal());
  const auto options = info[0].As<Napi::Object>();
  auto output = given(options, "socket") ? Output::socket(text(options, "socket"))
                                         : Output::file(text(options, "file"));
  if (!output) return raise(info.Env(), output.error());
  CaptureSettings settings;
  settings.snapLength = number(options, "snapLength");
  settings.count = static_cast<std::uint64_t>(real(options, "count"));
  settings.buffer = static_cast<std::size_t>(real(options, "buffer"));
  return give(info.Env(), engine_->startCapture(settings, std::move(*output), targets));
}

// captureState(capture) → [state, errno, frames, bytes, lost]
Napi::Value EngineObject::captureState(CaptureId id) {
  const Capture& capture = engine_->capture(id);
  auto words = Napi::BigUint64Array::New(Env(), 5);
  words[0] = static_cast<std::uint64_t>(capture.state());
  words[1] = capture.state() == Capture::State::Failed ? static_cast<std::uint64_t>(capture.failure()) : 0;
  words[2] = capture.frames();
  words[3] = capture.bytes();
  words[4] = capture.lost();
  return words;
}

// lateness(worker) → {longest, count of each bucket...}
Napi::Value EngineObject::lateness(std::uint32_t worker) {
  const LatenessSnapshot snapshot = engine_->lateness(worker);
  auto words = Napi::BigUint64Array::New(Env(), 1 + latenessBuckets);
  words[0] = snapshot.most;
  std::copy(snapshot.counts.begin(), snapshot.counts.end(), words.Data() + 1);
  return words;
}

// ---- what is watched ----

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
Result<std::uint32_t> EngineObject::watchLinks(Napi::Value where) {
  auto watcher = this->watcher();
  if (!watcher) return watcher.error();
  auto opened = LinkMonitor::open(networkNamespace(where));
  if (!opened) return opened.error();
  const auto monitor = std::make_shared<LinkMonitor>(std::move(*opened));
  return (*watcher)->add(monitor->fd(), DescriptorWatch::What::Readable, [this, monitor](auto number) {
    monitor->drain([&](const LinkEvent& event) { tell(news_, {number, event}); });
    return true;
  });
}

Result<std::uint32_t> EngineObject::watch(int descriptor, DescriptorWatch::What what) {
  auto watcher = this->watcher();
  if (!watcher) return watcher.error();
  return (*watcher)->add(descriptor, what, [this](auto number) {
    tell(ready_, number);
    return false;
  });
}

// unwatch(watch)
void EngineObject::unwatch(std::uint32_t watch) {
  if (watch_) watch_->remove(watch);
}

void EngineObject::ref() { wake_.Ref(Env()); }

void EngineObject::unref() { wake_.Unref(Env()); }

// close() → frames that were still referenced, which is 0
Napi::Value EngineObject::close(const Napi::CallbackInfo& info) {
  if (advancing_) return raiseState(info.Env(), unusable());
  return give(info.Env(), shutDown());
}

}  // namespace etherloom
