#include "runtime/engine.hpp"

#include <algorithm>
#include <limits>
#include <numeric>

#include "io/epoll_io.hpp"
#include "io/uring_io.hpp"
#include "io/virtual_io.hpp"

namespace etherloom {
namespace {

Result<std::unique_ptr<Io>> openIo(IoKind kind, int doorbellFd, FramePool& pool) {
  if (kind == IoKind::Epoll) return EpollIo::create(doorbellFd);
  auto uring = UringIo::create(doorbellFd, pool);
  return uring || kind == IoKind::Uring ? std::move(uring) : EpollIo::create(doorbellFd);
}

/// The member of a fabric that has just one.
Attachment* onlyMember(const FabricVersion& version) {
  Attachment* only = nullptr;
  for (Attachment* member : version.members) {
    if (!member) continue;
    if (only) return nullptr;
    only = member;
  }
  return only;
}

/// Takes the port's devices, which nobody uses any more.
std::vector<std::unique_ptr<Port>> devicesOf(Attachment& seat) {
  std::vector<std::unique_ptr<Port>> devices;
  seat.eachQueue([&](PortQueue& queue) { devices.push_back(std::move(queue.port)); });
  return devices;
}

}  // namespace

Result<std::unique_ptr<Engine>> Engine::create(const EngineOptions& options, std::function<void()> wake) {
  std::unique_ptr<Engine> engine(new Engine(options, std::move(wake)));
  const bool isVirtual = engine->isVirtual();
  // On a virtual clock the number of workers must not show, not even in how soon memory runs out: one thread
  // runs them, so there is one.
  const unsigned workers = isVirtual ? 1 : options.workers;
  const std::size_t memory = options.memory / workers;
  for (std::uint16_t index = 0; index < workers; ++index) {
    auto pool = FramePool::create(memory);
    if (!pool) return pool.error();
    auto doorbell = Doorbell::create();
    if (!doorbell) return doorbell.error();
    std::unique_ptr<Io> io = std::make_unique<VirtualIo>();
    if (!isVirtual) {
      auto opened = openIo(options.io, doorbell->fd(), **pool);
      if (!opened) return opened.error();
      io = std::move(*opened);
    }
    engine->workers_.push_back(
        std::make_unique<Worker>(Worker::Setup{index, engine->clock_, std::move(*pool), std::move(io),
                                               std::move(*doorbell), engine->wake_, options.spin}));
  }
  for (const auto& worker : engine->workers_) worker->meet(engine->workers_);
  if (!isVirtual) {
    for (const auto& worker : engine->workers_) worker->start();
  }
  return engine;
}

Engine::Engine(const EngineOptions& options, std::function<void()> wake)
    : clock_(options.clock), seed_(options.seed), wake_(std::move(wake)) {}

Engine::~Engine() { close(); }

// ---- fabrics and ports ----

FabricId Engine::addFabric(std::string name, std::unique_ptr<Fabric> fabric, bool forwarding) {
  auto record = std::make_unique<FabricRecord>();
  record->seat.id = nextFabric_;
  record->seat.name = std::move(name);
  record->seat.home = leastLoaded();
  record->seat.fabric = std::move(fabric);
  record->forwarding = forwarding;
  auto version = std::make_unique<FabricVersion>();
  version->fabric = record->seat.fabric.get();
  version->forwarding = forwarding;
  record->version = std::move(version);
  record->seat.version.store(record->version.get(), std::memory_order_release);
  fabrics_.emplace(nextFabric_, std::move(record));
  return FabricId{nextFabric_++};
}

Result<Ticket> Engine::removeFabric(FabricId fabric) {
  const auto& members = record(fabric).version->members;
  if (std::any_of(members.begin(), members.end(), [](const Attachment* member) { return member; }))
    return Error{EBUSY, "", "the fabric has ports; detach them first"};
  auto node = fabrics_.extract(static_cast<std::uint32_t>(fabric));
  return graces_.fence([record = std::shared_ptr<FabricRecord>(std::move(node.mapped()))] {});
}

void Engine::survey(const FabricRecord& fabric, FabricVersion& version) {
  version.hasVlans = fabric.portsWithVlans != 0;
  version.reach.reset();
  const std::vector<std::uint32_t>& sizes = fabric.groupSizes;
  if (std::all_of(sizes.begin(), sizes.end(), [](std::uint32_t size) { return size == 0; })) return;
  auto reach = std::make_shared<GroupReach>(sizes.size());
  for (std::uint32_t group = 1; group < sizes.size(); ++group) {
    if (sizes[group] == 0) continue;
    for (Attachment* member : version.members) {
      if (member && member->group != group) (*reach)[group].push_back(member);
    }
  }
  version.reach = std::move(reach);
}

void Engine::forgetAddresses(FabricRecord& fabric) {
  FabricSeat& seat = fabric.seat;
  order(seat.home, [&seat, slots = fabric.version->members.size()](Worker&) {
    for (std::uint32_t slot = 0; slot < slots; ++slot) seat.fabric->forget(Slot{slot});
  });
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
  auto next = std::make_unique<FabricVersion>(*record.version);
  if (record.freeSlots.empty()) {
    record.freeSlots.push_back(Slot{static_cast<std::uint32_t>(next->members.size())});
    next->members.push_back(nullptr);
    next->rows.push_back(nullptr);
  }
  if (freeIndices_.empty()) freeIndices_.push_back(static_cast<std::uint32_t>(seats_.size()));

  PortSettings settings;
  const std::vector<std::uint16_t> owners = workersFor(further.size() + 1, worker);
  auto seat = std::make_unique<Attachment>();
  seat->id = PortId{nextPort_++};
  seat->slot = record.freeSlots.back();
  seat->fabric = &record.seat;
  if (auto expected = record.expected.extract(name)) settings = std::move(expected.mapped());
  if (!settings.group.empty()) {
    const auto number = static_cast<std::uint32_t>(record.groupNumbers.size() + 1);
    seat->group = record.groupNumbers.try_emplace(settings.group, number).first->second;
    record.groupSizes.resize(record.groupNumbers.size() + 1);
    ++record.groupSizes[seat->group];
  }
  seat->vlans = settings.vlans;
  if (seat->vlans) ++record.portsWithVlans;
  seat->name = std::move(name);
  seat->port = std::move(port);
  seat->generation = ++generation_;
  for (auto& device : further) {
    const auto index = static_cast<unsigned>(seat->further.size() + 1);
    seat->further.emplace_back(std::make_unique<PortQueue>(*seat, index))->port = std::move(device);
  }
  seat->eachQueue([&](PortQueue& queue) {
    queue.key = {freeIndices_.back(), seat->generation};
    queue.worker = owners[queue.index];
  });
  seat->host = &workers_[seat->worker]->host();
  seat->defaults = std::vector<PathAccount>(workers_.size());
  for (PathAccount& account : seat->defaults)
    account.furtherOffers = std::vector<PathAccount::FurtherOffer>(further.size());
  freeIndices_.pop_back();
  record.freeSlots.pop_back();

  Attachment& attached = *seat;
  seats_.emplace(attached.id, std::move(seat));
  orderAll([ports = next->members.size()](Worker& each) { each.reservePorts(ports); });
  if (settings.delay != Duration{}) prepareDelay(attached);
  order(attached.worker, [&attached, settings](Worker& owner) { owner.configure(attached, settings); });
  attached.eachQueue([this](PortQueue& queue) {
    workers_[queue.worker]->addLoad(1);
    workers_[queue.worker]->enter(queue);
    order(queue.worker, [&queue](Worker& owner) { owner.attach(queue); });
  });
  Attachment* only = onlyMember(*next);
  next->members[static_cast<std::size_t>(attached.slot)] = &attached;
  const bool hadVlans = next->hasVlans;
  survey(record, *next);
  const bool other = next->hasVlans != hadVlans;
  if (only) setAlone(*only, false);
  if (onlyMember(*next)) setAlone(attached, true);
  publish(record, std::move(next), [this, &record, other] {
    if (other) forgetAddresses(record);
  });
  return attached.id;
}

void Engine::expect(FabricId fabric, const std::string& name, std::optional<PortSettings> settings) {
  auto& expected = record(fabric).expected;
  expected.erase(name);
  if (settings) expected.emplace(name, *std::move(settings));
}

Ticket Engine::configure(PortId id, const PortSettings& settings) {
  Attachment& seat = this->seat(id);
  if (settings.delay != Duration{}) prepareDelay(seat);
  order(seat.worker, [&seat, settings](Worker& worker) { worker.configure(seat, settings); });
  return graces_.fence([] {});
}

void Engine::setAlone(Attachment& seat, bool alone) {
  order(seat.worker, [&seat, alone](Worker& worker) { worker.setAlone(seat, alone); });
}

void Engine::prepareDelay(Attachment& seat) {
  if (std::exchange(seat.delays, true)) return;
  order(seat.worker, [ports = seats_.size()](Worker& worker) { worker.reserveDelays(ports); });
}

Ticket Engine::detach(PortId id) {
  Attachment& leaving = seat(id);
  FabricRecord& record = this->record(FabricId{leaving.fabric->id});
  const auto at = static_cast<std::size_t>(leaving.slot);

  auto next = std::make_unique<FabricVersion>(*record.version);
  next->members[at] = nullptr;
  next->rows[at] = nullptr;
  for (auto& row : next->rows) {
    if (!row) continue;
    const auto entry = std::find_if(row->entries.begin(), row->entries.end(),
                                    [&](const RowEntry& each) { return each.to == &leaving; });
    if (entry == row->entries.end()) continue;
    auto shorter = std::make_shared<Row>(*row);
    const auto index = entry - row->entries.begin();
    shorter->entries.erase(shorter->entries.begin() + index);
    shorter->policies.erase(shorter->policies.begin() + index);
    row = std::move(shorter);
  }
  const bool hadVlans = next->hasVlans;
  if (leaving.group != 0) --record.groupSizes[leaving.group];
  if (leaving.vlans) --record.portsWithVlans;
  survey(record, *next);
  const bool other = next->hasVlans != hadVlans;
  if (Attachment* only = onlyMember(*next)) setAlone(*only, true);
  leaving.eachQueue([this](PortQueue& queue) { workers_[queue.worker]->addLoad(-1); });
  leaving.leaving = true;
  leaving.generation = 0;  // what fails from now on is no news

  // Paths join ports that were members together: the first of a pair to leave takes both along.
  std::vector<std::uint64_t> pairs;
  for (const Attachment* member : next->members) {
    if (!member) continue;
    pairs.push_back(pairKey(leaving.id, member->id));
    pairs.push_back(pairKey(member->id, leaving.id));
  }

  // First no worker names the port any more, then its device and what its paths hold go, then the seat
  // itself.
  auto before = record.version;  // what its paths hold is bound to policies of that version
  return publish(record, std::move(next),
                 [this, &leaving, &record, other, before = std::move(before), pairs = std::move(pairs)] {
                   FabricSeat& fabric = record.seat;
                   if (other) forgetAddresses(record);
                   order(fabric.home,
                         [&fabric, slot = leaving.slot](Worker&) { fabric.fabric->forget(slot); });
                   for (const std::uint64_t key : pairs) {
                     const auto path = paths_.find(key);
                     if (path == paths_.end()) continue;
                     order(path->second->to().worker,
                           [moving = path->second.get()](Worker& worker) { worker.flush(*moving); });
                   }
                   // What it sent without a policy may be on its way into others, and is paid for by its
                   // seat.
                   for (Attachment* to : record.version->members) {
                     if (!to || !to->delays) continue;
                     order(to->worker, [to, account = &leaving.defaults[to->worker]](Worker& worker) {
                       worker.flushDelay(*to, account);
                     });
                   }
                   std::vector<const Port*> devices;
                   leaving.eachQueue([this, &devices](PortQueue& queue) {
                     order(queue.worker, [&queue](Worker& worker) { worker.detach(queue); });
                     devices.push_back(queue.port.get());
                   });
                   graces_.whenGone(std::move(devices), [this, &leaving, &record, before, pairs] {
                     for (const std::uint64_t key : pairs) {
                       if (auto path = paths_.extract(key)) leftPaths_.push_back(std::move(path.mapped()));
                     }
                     captures_.forgetPort(leaving.id);
                     graces_.destroy(devicesOf(leaving));
                     record.freeSlots.push_back(leaving.slot);
                     freeIndices_.push_back(leaving.key.index);
                     leftSeats_.push_back(std::move(seats_.extract(leaving.id).mapped()));
                     clearLeft();
                   });
                 });
}

Ticket Engine::revive(PortId id, std::unique_ptr<Port> device, std::vector<std::unique_ptr<Port>> further) {
  struct Devices {
    std::vector<std::unique_ptr<Port>> fresh, old;  // by queue; each is the matter of that queue's worker
  };
  Attachment& seat = this->seat(id);
  seat.generation = ++generation_;
  auto devices = std::make_shared<Devices>();
  devices->fresh.push_back(std::move(device));
  for (auto& queue : further) devices->fresh.push_back(std::move(queue));
  devices->old.resize(devices->fresh.size());
  seat.eachQueue([&](PortQueue& queue) {
    order(queue.worker, [&queue, devices, generation = seat.generation](Worker& worker) {
      worker.revive(queue, std::move(devices->fresh[queue.index]), generation, devices->old[queue.index]);
    });
  });
  return graces_.fence([this, devices] {
    std::vector<const Port*> old;
    for (const auto& each : devices->old) old.push_back(each.get());
    graces_.whenGone(std::move(old), [this, devices] { graces_.destroy(std::move(devices->old)); });
  });
}

// The device of a port is one: when a queue finds it gone, the others are closed, and it is said once. News
// of a device that has been replaced since, or of a port that is leaving, is none.
bool Engine::takeDown(const Event& event) {
  const auto found = seats_.find(event.port);
  if (found == seats_.end() || found->second->generation != event.generation) return false;
  Attachment& seat = *found->second;
  seat.generation = 0;
  if (seat.further.empty()) return true;
  seat.eachQueue(
      [this](PortQueue& queue) { order(queue.worker, [&queue](Worker& worker) { worker.close(queue); }); });
  return true;
}

void Engine::endDevice(PortId id) {
  Attachment& seat = this->seat(id);
  order(seat.worker, [&seat](Worker& worker) { worker.end(seat, ENODEV); });
}

void Engine::setMtu(PortId id, std::uint32_t mtu) {
  seat(id).eachQueue([this, mtu](PortQueue& queue) {
    order(queue.worker, [&queue, mtu](Worker&) { queue.port->setMtu(mtu); });
  });
}

Ticket Engine::setCarrier(PortId id, bool on) {
  Attachment& seat = this->seat(id);
  seat.eachQueue([this, on](PortQueue& queue) {
    order(queue.worker, [&queue, on](Worker& worker) { worker.setCarrier(queue, on); });
  });
  return graces_.fence([] {});
}

// ---- policies ----

// The changes, in the order of their pairs, are merged with the rows that they touch, which are in that
// order: each row is walked once, and a pair that has a path already brings it along.
Applied Engine::apply(FabricId fabric, std::span<const PathChange> changes, bool flush) {
  FabricRecord& record = this->record(fabric);
  struct Place {
    Slot from, to;
    const PathChange* change;
  };
  std::vector<Place> places;
  places.reserve(changes.size());
  for (const PathChange& change : changes)
    places.push_back({seat(change.from).slot, seat(change.to).slot, &change});
  // Stable: of several changes of one pair the last one holds.
  std::stable_sort(places.begin(), places.end(), [](const Place& left, const Place& right) {
    return std::pair(left.from, left.to) < std::pair(right.from, right.to);
  });

  Applied applied;
  const std::uint64_t changesBefore = changes_;
  std::vector<std::vector<RowEntry>> orders(workers_.size());  // what each worker is told
  auto next = std::make_unique<FabricVersion>(*record.version);
  const Row none;
  for (auto at = places.cbegin(); at != places.cend();) {
    std::shared_ptr<const Row>& place = next->rows[static_cast<std::size_t>(at->from)];
    const Row& old = place ? *place : none;
    auto row = std::make_shared<Row>();
    row->reserve(old.entries.size() + 1);
    std::size_t kept = 0;
    const auto keepUntil = [&](auto&& isEnd) {
      for (; kept < old.entries.size() && !isEnd(old.entries[kept].to->slot); ++kept)
        row->push(old.entries[kept], old.policies[kept]);
    };

    for (const Slot from = at->from; at != places.cend() && at->from == from;) {
      const Slot slot = at->to;
      keepUntil([slot](Slot each) { return each >= slot; });
      RowEntry entry{};
      std::shared_ptr<const Policy> policy;
      if (kept < old.entries.size() && old.entries[kept].to->slot == slot) {
        entry = old.entries[kept];
        policy = old.policies[kept++];
      }
      Attachment& to = seat(at->change->to);
      for (; at != places.cend() && at->from == from && at->to == slot; ++at) {
        const PathChange& change = *at->change;
        // A pair that lost its policy keeps its path where frames pass by default: none overtakes what is
        // under way.
        const bool byDefault = next->forwards(seat(change.from), to);
        const auto wanted = !change.policy && policy && byDefault ? Policy::none() : change.policy;
        if (wanted == policy) continue;
        const bool before = policy ? policy->allowed : byDefault;
        const bool after = wanted ? wanted->allowed : byDefault;
        ++(before == after ? applied.changed : after ? applied.up : applied.down);
        entry.path = &pathOf(record, seat(change.from), to, entry.path, change.seed);
        entry.change = ++changes_;
        policy = wanted;
      }
      if (entry.change > changesBefore) {
        entry = {&to, entry.path, policy ? policy.get() : Policy::none().get(), entry.change, clock_.now()};
        entry.path->prepare(*entry.policy);
        orders[to.worker].push_back(entry);
      }
      if (policy) row->push(entry, std::move(policy));
    }
    keepUntil([](Slot) { return false; });
    place = row->entries.empty() ? nullptr : std::move(row);
  }
  if (changes_ == changesBefore) return applied;

  orderAll([paths = paths_.size()](Worker& worker) { worker.reservePaths(paths); });
  for (std::size_t worker = 0; worker < orders.size(); ++worker) {
    if (orders[worker].empty()) continue;
    order(static_cast<std::uint16_t>(worker), [flush, entries = std::move(orders[worker])](Worker& owner) {
      for (const RowEntry& entry : entries) {
        owner.adopt(entry);
        if (flush) owner.flush(*entry.path);
      }
    });
  }
  applied.ticket = publish(record, std::move(next));
  return applied;
}

Path& Engine::pathOf(FabricRecord& fabric, Attachment& from, Attachment& to, Path* known,
                     std::optional<std::uint64_t> seed) {
  if (!known) {
    auto [place, fresh] = paths_.try_emplace(pairKey(from.id, to.id));
    if (fresh) {
      place->second =
          std::make_unique<Path>(to, seed.value_or(pathSeed(seed_, fabric.seat.name, from.name, to.name)));
      place->second->account.furtherOffers = std::vector<PathAccount::FurtherOffer>(from.further.size());
      return *place->second;
    }
    known = place->second.get();
  }
  if (seed) {
    known->setSeed(*seed);
    order(to.worker, [known, value = *seed](Worker&) { known->reseed(value); });
  }
  return *known;
}

Ticket Engine::publish(FabricRecord& fabric, std::unique_ptr<const FabricVersion> next,
                       std::function<void()> done) {
  std::shared_ptr<const FabricVersion> old = std::exchange(fabric.version, std::move(next));
  fabric.seat.version.store(fabric.version.get(), std::memory_order_release);
  return graces_.fence([old = std::move(old), done = std::move(done)]() mutable {
    old.reset();
    if (done) done();
  });
}

// ---- orders and time ----

void Engine::order(std::uint16_t worker, Mailbox::Order order) {
  if (isVirtual()) return order(*workers_[worker]);
  workers_[worker]->mailbox.post(std::move(order));
  workers_[worker]->nudge();
}

void Engine::orderPort(PortId id, std::function<void(Port&)> work) {
  Attachment& seat = this->seat(id);
  order(seat.worker, [&seat, work = std::move(work)](Worker&) { work(*seat.port); });
}

void Engine::orderAll(const Mailbox::Order& order) {
  for (std::size_t index = 0; index < workers_.size(); ++index)
    this->order(static_cast<std::uint16_t>(index), order);
}

void Engine::poll(const std::function<void(const Event&)>& each) {
  clearLeft();
  for (const auto& worker : workers_) {
    worker->events.drain([&](const Event& event) {
      if (event.kind != EventKind::PortDown || takeDown(event)) each(event);
    });
  }
  graces_.settle();
}

void Engine::advance(Duration duration) {
  const Instant target = clock_.now() + duration;
  for (;;) {
    bool moved = true;
    while (moved) {
      moved = false;
      for (const auto& worker : workers_) moved |= worker->receiveAndDecide();
      for (const auto& worker : workers_) moved |= worker->admitAndRelease(clock_.now());
    }
    Instant next = Instant::never();
    for (const auto& worker : workers_) next = std::min(next, worker->nextInstant());
    captures_.pump();
    if (next > target) break;
    clock_.moveTo(next);
  }
  clock_.moveTo(target);
}

// Where the list of a port or path hangs; it may be leaving.
Captures::Place* Engine::tapsOf(PortId from, std::optional<PortId> to) {
  if (!to) {
    const auto found = seats_.find(from);
    return found == seats_.end() ? nullptr : &found->second->taps;
  }
  const auto path = paths_.find(pairKey(from, *to));
  return path == paths_.end() ? nullptr : &path->second->taps;
}

// ---- what is going on ----

std::uint16_t Engine::leastLoaded() const { return workersFor(1, {}).front(); }

std::vector<std::uint16_t> Engine::workersFor(std::size_t queues, std::optional<std::uint16_t> first) const {
  std::vector<std::uint16_t> workers(workers_.size());
  std::iota(workers.begin(), workers.end(), std::uint16_t{0});
  std::stable_sort(workers.begin(), workers.end(), [&](std::uint16_t left, std::uint16_t right) {
    return std::pair(left != first, workers_[left]->load()) <
           std::pair(right != first, workers_[right]->load());
  });
  workers.resize(queues);
  return workers;
}

void Engine::addSource(std::uint16_t worker, std::shared_ptr<Source> source) {
  order(worker, [added = source.get()](Worker& owner) { owner.addSource(*added); });
  sources_.push_back(std::move(source));
}

// Whatever an account pays for may still be on its way out of another port.
void Engine::clearLeft() {
  const auto quiet = [](const PathAccount& account) { return snapshotOf(account).underWay() == 0; };
  std::erase_if(leftPaths_, [&](const auto& path) { return quiet(path->account); });
  std::erase_if(leftSeats_, [&](const auto& seat) {
    return std::all_of(seat->defaults.begin(), seat->defaults.end(), quiet);
  });
}

PortSnapshot Engine::portSnapshot(PortId id) const { return snapshotOf(seat(id)); }

std::optional<PathSnapshot> Engine::pathSnapshot(PortId from, PortId to) const {
  const auto path = paths_.find(pairKey(from, to));
  if (path == paths_.end()) return {};
  return snapshotOf(path->second->account);
}

std::vector<LearnedAddress> Engine::addresses(FabricId fabric) const {
  const FabricRecord& record = this->record(fabric);
  const auto& members = record.version->members;
  std::vector<LearnedAddress> known;
  for (const auto& [address, slot, age] : record.seat.fabric->addresses(clock_.now())) {
    const auto at = static_cast<std::size_t>(slot);
    if (at < members.size() && members[at]) known.push_back({address, members[at]->id, age});
  }
  return known;
}

const char* Engine::ioName() const { return workers_.front()->io()->name(); }

std::size_t Engine::close() {
  if (std::exchange(closed_, true)) return 0;
  for (const auto& [id, seat] : seats_) {
    seat->eachQueue([this](PortQueue& queue) {
      order(queue.worker, [&queue](Worker& worker) { worker.detach(queue); });
    });
  }
  if (!isVirtual()) {
    for (const auto& worker : workers_) worker->join();
  }
  // From here on the control thread is alone with what is still under way.
  for (const auto& worker : workers_) worker->admitAndRelease(clock_.now());
  for (const auto& [key, path] : paths_) workers_[path->to().worker]->flush(*path);
  for (const auto& [id, seat] : seats_) workers_[seat->worker]->flushDelay(*seat, nullptr);
  graces_.abandon();
  captures_.close();
  for (const auto& worker : workers_) {
    worker->closeIo();
    worker->pool().sendBack();
  }
  std::size_t outstanding = 0;
  for (const auto& worker : workers_) outstanding += worker->pool().outstanding();
  for (const auto& [id, seat] : seats_) graces_.destroy(devicesOf(*seat));
  graces_.finish();
  leftPaths_.clear();
  leftSeats_.clear();
  paths_.clear();
  seats_.clear();
  fabrics_.clear();
  workers_.clear();
  sources_.clear();
  return outstanding;
}

}  // namespace etherloom
