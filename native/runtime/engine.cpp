#include "runtime/engine.hpp"

#include <algorithm>
#include <limits>

namespace etherloom {
namespace {

/// Takes the port's devices, which nobody uses any more.
std::vector<std::unique_ptr<Port>> devicesOf(Attachment& attachment) {
  std::vector<std::unique_ptr<Port>> devices;
  attachment.eachInlet([&](Inlet& inlet) { devices.push_back(std::move(inlet.port)); });
  return devices;
}

}  // namespace

Result<std::unique_ptr<Engine>> Engine::create(const EngineOptions& options, std::function<void()> wake) {
  const std::string what = "an engine cannot be made with this memory and so many workers";
  return unlessShort(what, [&]() -> Result<std::unique_ptr<Engine>> {
    std::unique_ptr<Engine> engine(new Engine(options, std::move(wake)));
    if (const auto started = engine->workers_.start(options, engine->wake_); !started) return started.error();
    return engine;
  });
}

Engine::Engine(const EngineOptions& options, std::function<void()> wake)
    : seed_(options.seed), wake_(std::move(wake)), workers_(options.clock) {}

Engine::~Engine() { close(); }

// ---- fabrics and ports ----

FabricId Engine::addFabric(std::string name, std::unique_ptr<Fabric> fabric, bool forwarding) {
  fabrics_.emplace(nextFabric_, std::make_unique<FabricRecord>(nextFabric_, std::move(name), leastLoaded(),
                                                               std::move(fabric), forwarding));
  expectFlapping(record(FabricId{nextFabric_}), 1);
  return FabricId{nextFabric_++};
}

Result<Ticket> Engine::removeFabric(FabricId fabric) {
  const auto& ports = record(fabric).version()->ports;
  if (std::any_of(ports.begin(), ports.end(), [](const Attachment* port) { return port; }))
    return Error{EBUSY, "", "the fabric has ports; detach them first"};
  expectFlapping(record(fabric), -1);
  auto node = fabrics_.extract(static_cast<std::uint32_t>(fabric));
  return graces_.fence([record = std::shared_ptr<FabricRecord>(std::move(node.mapped()))] {});
}

// Its home worker tells of each address that flaps when that begins.
void Engine::expectFlapping(const FabricRecord& fabric, std::ptrdiff_t sign) {
  const auto most = static_cast<std::ptrdiff_t>(fabric.shared.fabric->mostFlapping());
  if (most != 0)
    order(fabric.shared.home, [more = sign * most](Worker& worker) { worker.expectEvents(more); });
}

Result<PortId> Engine::attach(FabricId fabric, std::string name, std::unique_ptr<Port> port,
                              std::optional<std::uint16_t> worker,
                              std::vector<std::unique_ptr<Port>> further) {
  if (isVirtual() && !port->virtualClock()) {
    return Error{EINVAL, "", "a port of the outside world cannot run on a virtual clock"};
  }
  if (further.size() >= workers_.size()) {
    return Error{EINVAL, "",
                 "a port of " + std::to_string(further.size() + 1) + " queues needs as many workers, and " +
                     "this engine has " + std::to_string(workers_.size())};
  }
  if (nextPort_ == std::numeric_limits<std::uint32_t>::max())
    return Error{ENOSPC, "", "the engine has used up its numbers of ports; make a new one"};
  FabricRecord& record = this->record(fabric);
  PortSettings settings;
  if (auto expected = record.expected.extract(name)) settings = std::move(expected.mapped());
  if (freeIndices_.empty()) freeIndices_.push_back(static_cast<std::uint32_t>(attachments_.size()));

  const PortId id{nextPort_++};
  Attachment& attachment = *attachments_.emplace(id, std::make_unique<Attachment>()).first->second;
  const std::vector<std::uint16_t> owners = workers_.leastLoaded(further.size() + 1, worker);
  attachment.id = id;
  attachment.name = std::move(name);
  attachment.port = std::move(port);
  attachment.generation = ++generation_;
  attachment.defaults = std::vector<PathAccount>(workers_.size());
  for (PathAccount& account : attachment.defaults) account.addOffers(further.size());
  for (auto& device : further) {
    const auto index = static_cast<unsigned>(attachment.further.size() + 1);
    attachment.further.emplace_back(std::make_unique<Inlet>(attachment, index))->port = std::move(device);
  }
  attachment.eachInlet([&](Inlet& inlet) {
    inlet.key = {freeIndices_.back(), attachment.generation};
    inlet.worker = owners[inlet.index];
  });
  attachment.host = &workers_[attachment.worker].host();
  freeIndices_.pop_back();

  FabricRecord::Ports ports = record.join(attachment, settings);
  workers_.orderAll([count = ports.next->ports.size()](Worker& each) { each.reservePorts(count); });
  configure(attachment, settings);
  attachment.eachInlet([this](Inlet& inlet) {
    Worker& owner = workers_[inlet.worker];
    owner.addLoad(1);
    owner.enter(inlet);
    order(inlet.worker, [&inlet](Worker& its) { its.attach(inlet); });
  });
  publish(record, std::move(ports));
  return id;
}

void Engine::expect(FabricId fabric, const std::string& name, std::optional<PortSettings> settings) {
  auto& expected = record(fabric).expected;
  expected.erase(name);
  if (settings) expected.emplace(name, *std::move(settings));
}

Ticket Engine::configure(PortId id, const PortSettings& settings) {
  Attachment& port = attachment(id);
  configure(port, settings);
  FabricRecord& record = this->record(FabricId{port.fabric->id});
  auto moved = settings.vlans ? record.move(port, settings.vlans) : std::nullopt;
  if (!moved) return graces_.fence([] {});
  // What was learned from it was so in VLANs that it is in no more.
  return publish(record, std::move(*moved), [this, shared = &record.shared, seat = port.seat] {
    order(shared->home, [shared, seat](Worker&) { shared->fabric->forget(seat); });
    graces_.extend([] {});  // until it has forgotten
  });
}

void Engine::configure(Attachment& attachment, const PortSettings& settings) {
  if (settings.storm.any() && !attachment.ownGuard) attachment.ownGuard = std::make_unique<StormGuard>();
  if (attachment.ownGuard) attachment.ownGuard->set(settings.storm);
  attachment.guard.store(settings.storm.any() ? attachment.ownGuard.get() : nullptr,
                         std::memory_order_release);
  if (settings.delay != Duration{} && !std::exchange(attachment.delays, true))
    order(attachment.worker, [ports = attachments_.size()](Worker& worker) { worker.reserveDelays(ports); });
  order(attachment.worker,
        [&attachment, settings](Worker& worker) { worker.configure(attachment, settings); });
}

Ticket Engine::detach(PortId id) {
  Attachment& leaving = attachment(id);
  FabricRecord& record = this->record(FabricId{leaving.fabric->id});
  FabricRecord::Ports ports = record.leave(leaving);
  leaving.eachInlet([this](Inlet& inlet) { workers_[inlet.worker].addLoad(-1); });
  leaving.leaving = true;
  leaving.generation = 0;  // what fails from now on is no news

  // Paths join ports that were there together: the first of a pair to leave takes both along.
  std::vector<std::uint64_t> pairs;
  for (const Attachment* port : ports.next->ports) {
    if (!port) continue;
    pairs.push_back(pairKey(leaving.id, port->id));
    pairs.push_back(pairKey(port->id, leaving.id));
  }

  // First no worker names the port any more, then its device and what its paths hold go, then the attachment
  // itself.
  auto before = record.version();  // what its paths hold is bound to policies of that version
  return publish(record, std::move(ports), [this, &leaving, &record, before, pairs = std::move(pairs)] {
    clearOut(record, leaving, pairs);
    std::vector<const Port*> devices;
    leaving.eachInlet([this, &devices](Inlet& inlet) {
      order(inlet.worker, [&inlet](Worker& worker) { worker.detach(inlet); });
      devices.push_back(inlet.port.get());
    });
    graces_.whenGone(std::move(devices), [this, &leaving, &record, before, pairs] {
      for (const std::uint64_t key : pairs) {
        if (auto path = paths_.extract(key)) leftPaths_.push_back(std::move(path.mapped()));
      }
      captures_.forgetPort(leaving.id);
      graces_.destroy(devicesOf(leaving));
      record.free(leaving.seat);
      freeIndices_.push_back(leaving.key.index);
      leftAttachments_.push_back(std::move(attachments_.extract(leaving.id).mapped()));
      clearLeft();
    });
  });
}

void Engine::clearOut(FabricRecord& fabric, Attachment& leaving, const std::vector<std::uint64_t>& pairs) {
  EngineFabric& shared = fabric.shared;
  order(shared.home, [&shared, seat = leaving.seat](Worker&) { shared.fabric->forget(seat); });
  for (const std::uint64_t key : pairs) {
    const auto path = paths_.find(key);
    if (path == paths_.end()) continue;
    order(path->second->to().worker,
          [moving = path->second.get()](Worker& worker) { worker.flush(*moving); });
  }
  // What it sent without a policy may be on its way into others, and is paid for by its attachment.
  for (Attachment* to : fabric.version()->ports) {
    if (!to || !to->delays) continue;
    order(to->worker,
          [to, account = &leaving.defaults[to->worker]](Worker& worker) { worker.flushDelay(*to, account); });
  }
}

Ticket Engine::revive(PortId id, std::unique_ptr<Port> device, std::vector<std::unique_ptr<Port>> further) {
  struct Devices {
    std::vector<std::unique_ptr<Port>> fresh, old;  // by inlet; each is the matter of that inlet's worker
  };
  Attachment& attachment = this->attachment(id);
  attachment.generation = ++generation_;
  auto devices = std::make_shared<Devices>();
  devices->fresh.push_back(std::move(device));
  for (auto& inlet : further) devices->fresh.push_back(std::move(inlet));
  devices->old.resize(devices->fresh.size());
  attachment.eachInlet([&](Inlet& inlet) {
    order(inlet.worker, [&inlet, devices, generation = attachment.generation](Worker& worker) {
      worker.revive(inlet, std::move(devices->fresh[inlet.index]), generation, devices->old[inlet.index]);
    });
  });
  return graces_.fence([this, devices] {
    std::vector<const Port*> old;
    for (const auto& each : devices->old) old.push_back(each.get());
    graces_.whenGone(std::move(old), [this, devices] { graces_.destroy(std::move(devices->old)); });
  });
}

// The device of a port is one: when an inlet finds it gone, the others are closed, and it is said once. News
// of a device that has been replaced since, or of a port that is leaving, is none.
bool Engine::takeDown(const Event& event) {
  const auto found = attachments_.find(event.port);
  if (found == attachments_.end() || found->second->generation != event.generation) return false;
  Attachment& attachment = *found->second;
  attachment.generation = 0;
  if (attachment.further.empty()) return true;
  attachment.eachInlet(
      [this](Inlet& inlet) { order(inlet.worker, [&inlet](Worker& worker) { worker.close(inlet); }); });
  return true;
}

void Engine::endDevice(PortId id) {
  Attachment& attachment = this->attachment(id);
  order(attachment.worker, [&attachment](Worker& worker) { worker.end(attachment, ENODEV); });
}

void Engine::setMtu(PortId id, std::uint32_t mtu) {
  attachment(id).eachInlet([this, mtu](Inlet& inlet) {
    order(inlet.worker, [&inlet, mtu](Worker&) { inlet.port->setMtu(mtu); });
  });
}

Ticket Engine::setCarrier(PortId id, bool on) {
  Attachment& attachment = this->attachment(id);
  attachment.eachInlet([this, on](Inlet& inlet) {
    order(inlet.worker, [&inlet, on](Worker& worker) { worker.setCarrier(inlet, on); });
  });
  return graces_.fence([] {});
}

// ---- policies ----

std::optional<Applied> Engine::apply(FabricId fabric, std::span<const PathChange> changes, bool flush) {
  FabricRecord& record = this->record(fabric);
  std::vector<FabricRecord::PairChange> pairs;
  pairs.reserve(changes.size());
  for (const PathChange& change : changes) {
    Attachment* const from = find(change.from);
    Attachment* const to = find(change.to);
    if (!from || !to || from->fabric != &record.shared || to->fabric != &record.shared) return {};
    pairs.push_back({from, to, &change});
  }
  FabricRecord::Policies policies = record.change(
      std::move(pairs), changes_, now(),
      [this, &record](const auto& change, Path* known) -> Path& { return pathOf(record, change, known); });
  Applied applied{policies.pairs};
  if (policies.entries.empty()) return applied;

  const auto entries = std::make_shared<const std::vector<RowEntry>>(std::move(policies.entries));
  workers_.orderAll([paths = paths_.size(), entries, flush](Worker& worker) {
    worker.reservePaths(paths);
    worker.adopt(*entries, flush);
  });
  applied.ticket = publish(record, std::move(policies.next));
  return applied;
}

Path& Engine::pathOf(const FabricRecord& fabric, const FabricRecord::PairChange& change, Path* known) {
  const auto& [from, to, asked] = change;
  if (!known) {
    auto [place, fresh] = paths_.try_emplace(pairKey(from->id, to->id));
    if (fresh) {
      const std::uint64_t derived = pathSeed(seed_, fabric.shared.name, from->name, to->name);
      place->second = std::make_unique<Path>(*to, asked->seed.value_or(derived));
      place->second->account.addOffers(from->further.size());
      return *place->second;
    }
    known = place->second.get();
  }
  if (asked->seed) {
    known->setSeed(*asked->seed);
    order(to->worker, [known, value = *asked->seed](Worker&) { known->reseed(value); });
  }
  return *known;
}

Ticket Engine::publish(FabricRecord& fabric, std::unique_ptr<const FabricVersion> next,
                       std::function<void()> done) {
  return graces_.fence([old = fabric.publish(std::move(next)), done = std::move(done)]() mutable {
    old.reset();
    if (done) done();
  });
}

Ticket Engine::publish(FabricRecord& fabric, FabricRecord::Ports ports, std::function<void()> done) {
  const auto setAlone = [this](auto* port, bool alone) {
    if (port) order(port->worker, [port, alone](Worker& worker) { worker.setAlone(*port, alone); });
  };
  setAlone(ports.notAlone, false);
  setAlone(ports.alone, true);
  if (!ports.otherVlans) return publish(fabric, std::move(ports.next), std::move(done));
  return publish(fabric, std::move(ports.next), [this, &fabric, done = std::move(done)] {
    EngineFabric& shared = fabric.shared;
    order(shared.home, [&shared, seats = fabric.version()->ports.size()](Worker&) {
      for (std::uint32_t seat = 0; seat < seats; ++seat) shared.fabric->forget(Seat{seat});
    });
    if (done) done();
  });
}

// ---- orders and time ----

void Engine::orderPort(PortId id, std::function<void(Port&)> work) {
  Attachment& attachment = this->attachment(id);
  order(attachment.worker, [&attachment, work = std::move(work)](Worker&) { work(*attachment.port); });
}

void Engine::poll(const std::function<void(const Event&)>& each) {
  clearLeft();
  for (const auto& worker : workers_) {
    do {
      worker->events.drain([&](const Event& event) {
        if (event.kind != EventKind::PortDown || takeDown(event)) each(event);
      });
    } while (isVirtual() && worker->tellRest());
    if (worker->hasRest()) worker->nudge();  // now there is room
  }
  graces_.settle();
}

void Engine::advance(Duration duration, bool stopAtNews) {
  workers_.advance(now() + duration, stopAtNews, [this] { captures_.pump(); });
}

// Where the list of a port or path hangs; it may be leaving.
Captures::Place* Engine::listenersOf(PortId from, std::optional<PortId> to) {
  if (!to) {
    const auto found = attachments_.find(from);
    return found == attachments_.end() ? nullptr : &found->second->listeners;
  }
  const auto path = paths_.find(pairKey(from, *to));
  return path == paths_.end() ? nullptr : &path->second->listeners;
}

// ---- what is going on ----

// Whatever an account pays for may still be on its way out of another port.
void Engine::clearLeft() {
  const auto quiet = [](const PathAccount& account) { return snapshotOf(account).underWay() == 0; };
  std::erase_if(leftPaths_, [&](const auto& path) { return quiet(path->account); });
  std::erase_if(leftAttachments_, [&](const auto& attachment) {
    return std::all_of(attachment->defaults.begin(), attachment->defaults.end(), quiet);
  });
}

std::optional<PathSnapshot> Engine::pathSnapshot(PortId from, PortId to) const {
  const auto path = paths_.find(pairKey(from, to));
  if (path == paths_.end()) return {};
  return snapshotOf(path->second->account);
}

std::vector<LearnedAddress> Engine::addresses(FabricId fabric) const {
  const FabricRecord& record = this->record(fabric);
  const auto& ports = record.version()->ports;
  std::vector<LearnedAddress> known;
  for (const auto& [address, seat, age] : record.shared.fabric->addresses(now())) {
    const auto at = static_cast<std::size_t>(seat);
    if (at < ports.size() && ports[at]) known.push_back({address, ports[at]->id, age});
  }
  return known;
}

EpisodeState Engine::endStorm(PortId port, Traffic traffic, Instant until) {
  StormGuard* const guard = attachment(port).ownGuard.get();
  return guard ? guard->end(traffic, until) : EpisodeState{};
}

EpisodeState Engine::endFlapping(FabricId fabric, AddressKey address, Instant until) {
  return record(fabric).shared.fabric->endFlapping(address, until);
}

std::size_t Engine::close() {
  if (std::exchange(closed_, true)) return 0;
  for (const auto& [id, attachment] : attachments_) {
    attachment->eachInlet(
        [this](Inlet& inlet) { order(inlet.worker, [&inlet](Worker& worker) { worker.detach(inlet); }); });
  }
  workers_.join();
  for (const auto& [key, path] : paths_) workers_[path->to().worker].flush(*path);
  for (const auto& [id, attachment] : attachments_)
    workers_[attachment->worker].flushDelay(*attachment, nullptr);
  graces_.abandon();
  captures_.close();
  const std::size_t outstanding = workers_.settle();
  for (const auto& [id, attachment] : attachments_) graces_.destroy(devicesOf(*attachment));
  graces_.finish();
  return outstanding;
}

}  // namespace etherloom
