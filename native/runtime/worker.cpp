#include "runtime/worker.hpp"

#include <algorithm>
#include <cassert>
#include <tuple>

#include "os/thread.hpp"
#include "pipeline/wire_frames.hpp"

namespace etherloom {
namespace {

/// The order that merges the copies of all from-ports the same way on any number of workers.
bool comesBefore(const Crossing& left, const Crossing& right) {
  const auto key = [](const Crossing& crossing) {
    const Frame& frame = *crossing.frame;
    return std::tuple(frame.arrival, frame.from, frame.number, crossing.to->id, frame.segment);
  };
  return key(left) < key(right);
}

/// What an inlet's worker tells of it once: that its device has failed, and its port's storms.
constexpr std::ptrdiff_t eventsOfInlet = 1 + static_cast<std::ptrdiff_t>(trafficKinds);

/// In the place of a source that was removed, until another has it.
struct Nobody final : Source {
  void poll() noexcept override {}
  [[nodiscard]] bool arm() noexcept override { return true; }
} nobody;

constexpr Ending crowded{DropReason::WorkerFull, "worker"};

}  // namespace

Worker::Worker(Setup setup)
    : index_(setup.index),
      clock_(setup.clock),
      pool_(std::move(setup.pool)),
      io_(std::move(setup.io)),
      doorbell_(std::move(setup.doorbell)),
      tellControl_(std::move(setup.tellControl)),
      spin_(setup.spin),
      held_(pool_->size() * HeldPool::copiesPerFrame),
      host_{*pool_,
            held_,
            [](void* worker, Attachment& to, TxItem item, Instant at) noexcept {
              static_cast<Worker*>(worker)->stage(to, item, at);
            },
            this,
            index_,
            {},
            &lateness_},
      pipeline_(*this, index_),
      mostPostponed_(pool_->unused(BufferClass::Large) / 8) {}

// ---- the frame path ----

void Worker::turn() {
  const std::uint64_t requested = requested_.load(std::memory_order_acquire);
  mailbox.drain(*this);

  const Instant before = clock_.now();
  Instant deadline = wakeAt(before);
  const bool mayBeRung = deadline > before;
  if (mayBeRung) {
    // Either a sender sees the flag or we see what it sent: nudge() has the other fence.
    asleep_.store(true, std::memory_order_seq_cst);
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (!idle()) deadline = before;
  }
  io_->turn(before, deadline, *this);
  // Whoever took the flag rings, perhaps later than this: a ring is owed until it was heard.
  if (mayBeRung && !asleep_.exchange(false)) ++ringsOwed_;
  if (ringsOwed_ != 0) ringsOwed_ -= doorbell_.clear();

  receiveAndDecide();
  admitAndRelease(clock_.now());

  endTurn();

  if (!closing_.empty()) reapClosed();
  if (passed_.load(std::memory_order_relaxed) != requested) {
    passed_.store(requested, std::memory_order_release);
    eventsPending_ = true;
  }
  tellRest();
  if (std::exchange(eventsPending_, !unsent_.empty())) tellControl_();
}

// The one place that knows what a turn has cost.
void Worker::endTurn() noexcept {
  turn_.calls += io_->calls() - std::exchange(callsBefore_, io_->calls());
  turns_.add(1);
  frames_.add(turn_.frames);
  bytes_.add(turn_.bytes);
  calls_.add(turn_.calls);
  turn_ = {turn_.now, 0, 0, 0};
}

bool Worker::receiveAndDecide() noexcept {
  if (!sources_.empty()) turn_.now = clock_.now();
  for (Source* source : sources_) source->poll();
  // One burst per port and turn, in rotation; ports that become ready meanwhile wait for the next turn, where
  // those that wait since this one come first.
  Chain<Inlet> ready = std::move(ready_), waiting;
  std::uint32_t full = 0;
  bool moved = false;
  while (Inlet* inlet = ready.pop()) {
    if (!inlet->up) continue;
    if ((!inlet->joined && !joins(*inlet)) || !mayCross(*inlet, full)) {
      waiting.push(*inlet);
    } else {
      moved |= serve(*inlet);
    }
  }
  waiting.splice(ready_);
  ready_ = std::move(waiting);
  return moved;
}

bool Worker::admitAndRelease(Instant now) noexcept {
  host_.now = turn_.now = now;
  for (auto& lessons : lessons_) lessons->drain([this](const Lesson& lesson) { learn(lesson); });
  std::stable_sort(lessonsHere_.begin(), lessonsHere_.end(), [](const Lesson& left, const Lesson& right) {
    return left.learned.seat < right.learned.seat;
  });
  for (const Lesson& lesson : lessonsHere_) learn(lesson);
  lessonsHere_.clear();

  bool moved = !crossingsHere_.empty() || nextDeparture() <= now;
  releaseDue(now);
  for (auto& crossings : crossings_) {
    crossings->drainRuns([&](std::span<const Crossing> run) {
      admitRuns(run);
      moved = true;
    });
  }
  std::sort(crossingsHere_.begin(), crossingsHere_.end(), comesBefore);
  admitRuns(crossingsHere_);
  crossingsHere_.clear();
  releaseDue(now);
  flushStages();
  pool_->sendBack();
  return moved;
}

bool Worker::serve(Inlet& inlet) noexcept {
  RxBurst burst(*pool_, inlet.counters.dropped, mostOf(inlet));
  RxState state = RxState::More;
  if (inlet.postponed.empty()) {
    state = inlet.port->receive(burst);
    if (state == RxState::Failed) inlet.ended = true;
  } else {
    while (burst.room() != 0 && !inlet.postponed.empty()) burst.add(inlet.postponed.pop());
    postponed_ -= burst.count();
  }
  burst.at = host_.now = turn_.now = clock_.now();
  const bool moved = burst.count() != 0;
  if (moved && inlet.carrier) {
    postponed_ += burst.count();
    pipeline_.confine(inlet, burst);
    postponed_ -= burst.count();
  }
  const std::uint64_t framesBefore = inlet.counters.receivedFrames.get();
  const std::uint64_t bytesBefore = inlet.counters.receivedBytes.get();
  const unsigned frames = burst.count();
  if (moved) inlet.carrier ? pipeline_.pass(inlet, burst) : discard(inlet, burst);
  if (workers_.size() > 1) noteCrossed(inlet, frames);
  turn_.frames += inlet.counters.receivedFrames.get() - framesBefore;
  turn_.bytes += inlet.counters.receivedBytes.get() - bytesBefore;
  if (state == RxState::More || !inlet.postponed.empty()) ready(inlet.key);
  if (inlet.ended) end(inlet);
  if (nextDeparture() <= burst.at) releaseDue(burst.at);
  return moved;
}

// Frames that are put off are in buffers that others need. When these are many, ports bring what one turn
// takes, whoever it goes to, and the rest stays in their devices.
unsigned Worker::mostOf(const Inlet& inlet) const noexcept {
  if (postponed_ <= mostPostponed_) [[likely]]
    return inlet.mostFrames;
  const FabricVersion& version = *inlet.attachment.fabric->version.load(std::memory_order_acquire);
  const std::size_t most = version.has(inlet.attachment) ? version.mostReceivers(inlet.attachment) : 1;
  return std::clamp(static_cast<std::uint32_t>(burstWireFrames / most), 1U, inlet.mostFrames);
}

// What its device has already waits until its fabric has the port, which is about to be published.
bool Worker::joins(Inlet& inlet) noexcept {
  const Attachment& port = inlet.attachment;
  inlet.joined = port.fabric->version.load(std::memory_order_acquire)->has(port);
  return inlet.joined;
}

bool Worker::mayCross(const Inlet& inlet, std::uint32_t& full) noexcept {
  const std::uint32_t crossing = inlet.crossed | inlet.crossedBefore;
  if (crossing == 0) return true;
  for (std::size_t to = 0; to < workers_.size(); ++to) {
    const std::uint32_t bit = 1U << (to % 32);
    if (!(crossing & bit) || to == index_) continue;
    if (!(full & bit) && !workers_[to]->crossings_[index_]->hasRoom(ringSize - mostOnTheirWay_)) full |= bit;
  }
  return (crossing & full) == 0;
}

// A port whose frames become many copies brings fewer at a time, so that they find room; more again as it
// becomes fewer.
void Worker::noteCrossed(Inlet& inlet, unsigned frames) noexcept {
  std::uint32_t most = 0;
  if (++inlet.bursts == burstsRemembered) {
    inlet.bursts = 0;
    inlet.crossedBefore = std::exchange(inlet.crossed, 0U);
  }
  for (std::size_t to = 0; to < crossed_.size(); ++to) {
    const std::uint32_t copies = std::exchange(crossed_[to], 0U);
    if (copies != 0) inlet.crossed |= 1U << (to % 32);
    most = std::max(most, copies);
  }
  if (frames == 0) return;
  const std::uint32_t each = (most + frames - 1) / frames;
  const auto fitting = static_cast<std::uint32_t>(burstCopies) / std::max(each, 1U);
  inlet.mostFrames = std::clamp(fitting, 1U, std::min(2 * inlet.mostFrames, std::uint32_t{burstSize}));
}

// What a device still sends without a carrier is read all the same: it must not come in when the carrier
// returns.
void Worker::discard(Inlet& inlet, RxBurst& burst) noexcept {
  std::uint64_t frames = 0;
  for (const Frame* frame : burst.frames()) frames += frame->offload.segments;
  burst.remove(allFrames(burst.count()));
  Sequence::Update update(inlet.counters.sequence);
  inlet.counters.dropped.add(DropReason::PortDown, frames);
}

// Copies for a port of this worker are admitted at once; others cross. On a virtual clock all of them wait
// for the second phase, where they are sorted, so that the number of workers makes no difference.
void Worker::handOver(std::span<const Crossing> crossings, PathOffer& offer) noexcept {
  const std::uint16_t to = crossings.front().to->worker;
  std::uint64_t handed = 0, lost = 0;
  for (const Crossing& crossing : crossings) handed += crossing.frame->offload.segments;
  if (clock_.isVirtual()) {
    workers_[to]->crossingsHere_.insert(workers_[to]->crossingsHere_.end(), crossings.begin(),
                                        crossings.end());
  } else if (to != index_) {
    const std::size_t share = burstCopies - std::min<std::size_t>(crossed_[to], burstCopies);
    crossed_[to] += static_cast<std::uint32_t>(crossings.size());
    const auto some = crossings.first(std::min(crossings.size(), share));
    for (const Crossing& crossing : crossings.subspan(workers_[to]->crossings_[index_]->push(some))) {
      lost += crossing.frame->offload.segments;
      if (crossing.entry) crossing.entry->path->recordUnadmitted(*crossing.frame, crowded, index_, turn_.now);
      pool_->release(crossing.frame);
    }
    workers_[to]->nudge();
  }
  {
    Sequence::Update update(offer.sequence);
    offer.handedOver.add(handed - lost);
    offer.crowdedOut.add(lost);
  }
  if (!clock_.isVirtual() && to == index_) admit(crossings);
}

void Worker::admitRuns(std::span<const Crossing> crossings) noexcept {
  while (!crossings.empty()) {
    const Crossing& first = crossings.front();
    const auto end = std::find_if(crossings.begin(), crossings.end(), [&](const Crossing& each) {
      return each.to != first.to || each.account != first.account || each.entry != first.entry;
    });
    const auto count = static_cast<std::size_t>(end - crossings.begin());
    admit(crossings.first(count));
    crossings = crossings.subspan(count);
  }
}

// Takes crossings that differ in nothing but the frame.
void Worker::admit(std::span<const Crossing> crossings) noexcept {
  const Crossing& first = crossings.front();
  if (first.entry && !first.entry->path->passes(*first.entry)) {
    Path& path = *first.entry->path;
    for (const Crossing& crossing : crossings) path.admit(crossing.frame, *first.entry);
    departures_.update(path);
    return;
  }
  std::uint64_t segments = 0;
  for (const Crossing& crossing : crossings) segments += crossing.frame->offload.segments;
  {
    Sequence::Update update(first.account->sequence);
    first.account->admitted.add(segments);
    first.account->staged.add(segments);
  }
  for (const Crossing& crossing : crossings)
    stage(*first.to, {crossing.frame, first.account}, crossing.frame->arrival);
}

void Worker::releaseDue(Instant now) noexcept {
  for (Instant next = nextDeparture(); next <= now; next = nextDeparture()) {
    if (departures_.next() == next) {
      Path& path = *departures_.top();
      path.step();
      departures_.update(path);
    } else {
      PortDelay& delay = *delays_.top();
      toPort(delay.attachment(), delay.release());
      delays_.update(delay);
    }
  }
}

void Worker::stage(Attachment& to, TxItem item, Instant at) noexcept {
  if (to.receive || to.delay.holds()) [[unlikely]]
    return lastLeg(to, item, at);
  toPort(to, item);
}

// What the port does not take ends at the end of its path, before the port's delay.
void Worker::lastLeg(Attachment& to, TxItem item, Instant at) noexcept {
  if (to.receive && !to.receive->accepts(*item.frame))
    return to.port->refuse({&item, 1}, DropReason::NotForUs);
  if (!to.delay.holds()) return toPort(to, item);
  to.delay.admit(item, at);
  delays_.update(to.delay);
}

inline void Worker::toPort(Attachment& to, TxItem item) noexcept {
  if (!isPlain(*item.frame)) [[unlikely]]
    return fit(to, item);
  put(to, item);
}

inline void Worker::put(Attachment& to, TxItem item) noexcept {
  to.stage[to.staged++] = item;
  if (!Chain<Attachment>::linked(to)) staged_.pushFront(to);
  if (to.staged == burstSize) transmit(to);
}

// A port that cannot take the frame as it is gets its wire frames, complete. One that is down or has no
// carrier refuses it as it is.
void Worker::fit(Attachment& to, TxItem item) noexcept {
  if (to.port->takesAsIs(*item.frame) || !to.up || !to.carrier) return put(to, item);
  toWireFrames(*pool_, *to.port, item, [&](TxItem wire) { put(to, wire); });
}

void Worker::transmit(Attachment& to) noexcept {
  const std::span<const TxItem> items(to.stage.data(), std::exchange(to.staged, std::uint8_t{0}));
  if (items.empty()) return;
  if (!to.up || !to.carrier) return to.port->refuse(items, DropReason::PortDown);
  if (const Listeners* all = to.listeners.load(std::memory_order_acquire)) [[unlikely]] {
    for (const Listener& listener : *all) {
      for (const TxItem& item : items)
        recordAt(listener, index_, host_.now, pcapng::Direction::Out, *item.frame);
    }
  }
  to.port->transmit(items);
  if (to.port->failure() != 0) end(to);
}

void Worker::flushStages() noexcept {
  while (Attachment* to = staged_.pop()) {
    transmit(*to);
    if (!to->up) continue;
    to->port->flush();
    if (to->port->failure() != 0) end(*to);
  }
}

void Worker::ready(PortKey key) noexcept {
  if (key.generation == 0) return sources_[key.index]->ready();
  if (key.index >= inlets_.size()) return;
  Inlet* inlet = inlets_[key.index];
  if (inlet && inlet->key == key && !Chain<Inlet>::linked(*inlet)) ready_.push(*inlet);
}

// ---- learning and events ----

void Worker::learned(EngineFabric& fabric, std::span<const Learned> entries) noexcept {
  Worker& home = *workers_[fabric.home];
  for (const Learned& entry : entries) {
    const Lesson lesson{&fabric, entry};
    if (clock_.isVirtual()) {
      home.lessonsHere_.push_back(lesson);
    } else if (fabric.home == index_) {
      learn(lesson);
    } else if (!home.lessons_[index_]->push(lesson)) {
      break;  // The next burst teaches it again.
    }
  }
  if (fabric.home != index_) home.nudge();
}

void Worker::learn(const Lesson& lesson) noexcept {
  lesson.fabric->fabric->learn({&lesson.learned, 1}, [&](const AddressMove& move) {
    // By port: until somebody hears of it, another port may have the seat.
    const auto& ports = lesson.fabric->version.load(std::memory_order_acquire)->ports;
    const auto portAt = [&](Seat seat) -> std::optional<PortId> {
      const Attachment* port = ports[static_cast<std::size_t>(seat)];
      return port ? std::optional(port->id) : std::nullopt;
    };
    Event event;
    event.kind = move.flaps ? EventKind::AddressFlaps : EventKind::AddressMoved;
    event.fabric = lesson.fabric->id;
    event.address = move.address;
    event.from = portAt(move.from);
    event.to = portAt(move.to);
    event.at = lesson.learned.at;
    emit(event);
  });
}

void Worker::stormBegins(const Attachment& from, Traffic traffic, Instant at) noexcept {
  Event event;
  event.kind = EventKind::StormBegins;
  event.port = from.id;
  event.fabric = from.fabric->id;
  event.traffic = traffic;
  event.at = at;
  emit(event);
}

// A full ring loses single moves of addresses, which repeat themselves, but nothing that is told once. There
// is room for that: between two orders a device fails once, and what goes on begins once until the control
// thread, which has to hear of it first, ends it.
void Worker::emit(const Event& event) noexcept {
  eventsPending_ = true;
  if (unsent_.empty() && events.push(event)) return;
  if (event.kind == EventKind::AddressMoved) return;
  assert(unsent_.size() < unsent_.capacity());
  unsent_.push_back(event);
  hasRest_.store(true, std::memory_order_release);
}

bool Worker::tellRest() noexcept {
  const auto told = std::find_if_not(unsent_.begin(), unsent_.end(),
                                     [this](const Event& event) { return events.push(event); });
  const bool some = told != unsent_.begin();
  unsent_.erase(unsent_.begin(), told);
  if (some) hasRest_.store(!unsent_.empty(), std::memory_order_release);
  return some;
}

void Worker::expectEvents(std::ptrdiff_t more) {
  expected_ += static_cast<std::size_t>(more);
  makeRoom();
}

// More than enough, so that ten thousand ports that are attached one by one do not move the lists as often.
void Worker::makeRoom() {
  const auto reserve = [](auto& list, std::size_t more) {
    const std::size_t size = list.size() + more;
    if (size > list.capacity()) list.reserve(std::max(size, 2 * list.capacity()));
  };
  reserve(unsent_, expected_);
  reserve(closing_, devices_);
}

// A device that has failed ends when all that it gave has been served.
void Worker::end(Inlet& inlet) noexcept {
  inlet.ended = true;
  if (inlet.postponed.empty()) takeDown(inlet, inlet.port->failure());
}

void Worker::takeDown(Inlet& inlet, int error) noexcept {
  if (!inlet.up) return;
  closeDevice(inlet);
  Event event;
  event.kind = EventKind::PortDown;
  event.port = inlet.attachment.id;
  event.generation = inlet.key.generation;
  event.error = error;
  emit(event);
}

void Worker::closeDevice(Inlet& inlet) noexcept {
  if (!std::exchange(inlet.up, false)) return;
  RxBurst late(*pool_, inlet.counters.dropped);
  while (Frame* frame = inlet.postponed.pop()) late.add(frame);
  postponed_ -= late.count();
  if (late.count() != 0) discard(inlet, late);
  inlet.port->close(*io_);
  closing_.push_back(inlet.port.get());
  reapClosed();
}

void Worker::reapClosed() noexcept {
  std::erase_if(closing_, [](Port* port) {
    if (port->drained()) port->setGone();
    return port->gone();
  });
}

// ---- orders ----

void Worker::attach(Inlet& inlet) {
  if (inlet.key.index >= inlets_.size()) inlets_.resize(inlet.key.index + 1);
  inlets_[inlet.key.index] = &inlet;
  ++devices_;
  expectEvents(eventsOfInlet);
  open(inlet);
}

void Worker::addSource(Source& source) {
  auto place = std::ranges::find(sources_, static_cast<Source*>(&nobody));
  if (place == sources_.end()) place = sources_.insert(place, &nobody);
  const PortKey key{static_cast<std::uint32_t>(place - sources_.begin()), 0};
  if (source.open(*io_, key)) *place = &source;
}

void Worker::removeSource(Source& source) {
  const auto place = std::ranges::find(sources_, &source);
  if (place == sources_.end()) return;
  source.close(*io_);
  *place = &nobody;
}

void Worker::open(Inlet& inlet) {
  inlet.up = true;
  inlet.ended = false;
  if (const Result<void> opened = inlet.port->open(*io_, inlet.key); !opened)
    takeDown(inlet, opened.error().number);
}

void Worker::detach(Inlet& inlet) {
  // An engine that closes asks again for a port whose detaching has not ended.
  if (inlets_[inlet.key.index] != &inlet) return;
  flushStages();
  // The descriptor of a TAP can be another's as well.
  if (inlet.up && !inlet.carrier) static_cast<void>(inlet.port->setCarrier(true));
  if (inlet.index == 0) flushDelay(inlet.attachment, nullptr);
  closeDevice(inlet);
  if (Chain<Inlet>::linked(inlet)) ready_.removeIf([&](Inlet& each) { return &each == &inlet; });
  inlets_[inlet.key.index] = nullptr;
  --devices_;
  expectEvents(-eventsOfInlet);
}

void Worker::revive(Inlet& inlet, std::unique_ptr<Port> device, std::uint32_t generation,
                    std::unique_ptr<Port>& old) {
  flushStages();
  closeDevice(inlet);
  old = std::exchange(inlet.port, std::move(device));
  inlet.key.generation = generation;
  makeRoom();
  enter(inlet);
  open(inlet);
  if (inlet.up && !inlet.carrier) setCarrier(inlet, false);
  if (inlet.up && inlet.index == 0) inlet.port->setAlone(inlet.attachment.alone);
}

void Worker::setCarrier(Inlet& inlet, bool on) {
  flushStages();
  inlet.carrier = on;
  if (!inlet.up) return;
  if (const Result<void> set = inlet.port->setCarrier(on); !set) takeDown(inlet, set.error().number);
}

void Worker::adopt(std::span<const RowEntry> entries, bool flush) {
  for (const RowEntry& entry : entries) {
    if (entry.to->worker != index_) continue;
    entry.path->adopt(entry);
    departures_.update(*entry.path);
    if (flush) this->flush(*entry.path);
  }
}

void Worker::flush(Path& path) {
  path.flush();
  departures_.update(path);
  flushDelay(path.to(), &path.account);
}

void Worker::flushDelay(Attachment& to, const PathAccount* account) {
  to.delay.flush(account);
  delays_.update(to.delay);
}

void Worker::setAlone(Attachment& attachment, bool alone) {
  attachment.alone = alone;
  if (attachment.up) attachment.port->setAlone(alone);
}

void Worker::configure(Attachment& attachment, const PortSettings& settings) {
  attachment.delay.set(settings.delay);
  attachment.receive = settings.receive;
}

// ---- the thread ----

bool Worker::idle() const noexcept {
  // What an order has made known is said at the end of this turn; what found no room waits for some.
  if (eventsPending_ && (unsent_.empty() || !events.full())) return false;
  if (stopping_ || !ready_.empty() || !closing_.empty() || !mailbox.empty()) return false;
  if (!std::all_of(sources_.begin(), sources_.end(), [](Source* source) { return source->arm(); }))
    return false;
  if (requested_.load(std::memory_order_acquire) != passed_.load(std::memory_order_relaxed)) return false;
  const auto empty = [](const auto& ring) { return ring->empty(); };
  return std::all_of(crossings_.begin(), crossings_.end(), empty) &&
         std::all_of(lessons_.begin(), lessons_.end(), empty);
}

/// Until when there is nothing to do.
Instant Worker::wakeAt(Instant now) const noexcept {
  if (!idle() || spin_ == forever) return now;
  return nextInstant() - spin_;
}

Instant Worker::nextInstant() const noexcept {
  Instant next = nextDeparture();
  for (const Source* source : sources_) next = std::min(next, source->due());
  return next;
}

void Worker::nudge() noexcept {
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (asleep_.exchange(false)) doorbell_.ring();
}

void Worker::meet(std::span<const std::unique_ptr<Worker>> workers) {
  for (const auto& worker : workers) {
    workers_.push_back(worker.get());
    crossed_.push_back(0);
    crossings_.push_back(std::make_unique<Ring<Crossing>>(worker.get() == this ? 1 : ringSize));
    lessons_.push_back(std::make_unique<Ring<Lesson>>(worker.get() == this ? 1 : ringSize));
  }
  const std::size_t others = std::max<std::size_t>(workers_.size() - 1, 1);
  mostOnTheirWay_ = std::min(ringSize - 2 * burstCopies, pool_->size() / 4 / others);
}

void Worker::start() {
  thread_ = std::thread([this] { run(); });
}

void Worker::run() {
  prepareWorkerThread(index_);
  while (!stopping_ || !closing_.empty()) turn();
  for (Source* source : sources_) source->close(*io_);
}

void Worker::join() {
  mailbox.post([](Worker& worker) { worker.stopping_ = true; });
  nudge();
  if (thread_.joinable()) thread_.join();
}

}  // namespace etherloom
