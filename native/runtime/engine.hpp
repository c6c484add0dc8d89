// A set of workers with one clock, and the control thread's picture of what they work on.
//
// Every method belongs to one thread, the control thread (in Node: the environment that made the engine),
// except that workers call the `wake` given at creation, which should lead to a poll().
//
// Theory of operation. An engine owns
//   its workers and their clock (workers.hpp), which carry out orders between two bursts,
//   its fabrics (fabric_record.hpp): for each the version that holds, and how the next one is made,
//   the attachments of ports and the paths between them, which versions point at and workers work on,
//   grace periods (grace.hpp): when nobody can meet any more what a change has replaced, and
//   captures (captures.hpp).
// A change makes what the next version needs, orders the workers to get ready for it, publishes it and takes
// a Ticket. When that is settled no frame can meet the version before, and what it alone referred to is
// destroyed. An attachment or a path is destroyed when nothing is under way any more that it pays for.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "runtime/captures.hpp"
#include "runtime/fabric_record.hpp"
#include "runtime/grace.hpp"
#include "runtime/snapshots.hpp"
#include "runtime/workers.hpp"

namespace etherloom {

enum class FabricId : std::uint32_t {};

/// What a change did.
struct Applied : PairsChanged {
  Ticket ticket = 0;
};

/// An address that a switch has learned, and where it leads.
struct LearnedAddress {
  AddressKey address;
  PortId port{};
  Duration age;
};

class Engine {
 public:
  [[nodiscard]] static Result<std::unique_ptr<Engine>> create(const EngineOptions& options,
                                                              std::function<void()> wake);
  ~Engine();

  FabricId addFabric(std::string name, std::unique_ptr<Fabric> fabric, bool forwarding);
  /// Refused while the fabric has ports.
  [[nodiscard]] Result<Ticket> removeFabric(FabricId fabric);

  /// `worker` as memoryWorker() said for memory ports, or that of a patch port's peer; else the least loaded
  /// one. `further`: the devices of its other inlets, which only receive, each on another worker.
  [[nodiscard]] Result<PortId> attach(FabricId fabric, std::string name, std::unique_ptr<Port> port,
                                      std::optional<std::uint16_t> worker = {},
                                      std::vector<std::unique_ptr<Port>> further = {});
  /// What the port that is attached next under this name shall have from its first frame; nothing takes that
  /// back.
  void expect(FabricId fabric, const std::string& name, std::optional<PortSettings> settings);
  /// Replaces what the port has in its fabric, whole but for its group, which stays, and for its VLANs where
  /// none are given. What is on its way into the port keeps its departure.
  Ticket configure(PortId port, const PortSettings& settings);
  /// Takes the port out of its fabric and closes its device, which has ended when the ticket is settled. What
  /// its paths hold is dropped as `flush`.
  Ticket detach(PortId port);
  /// Gives a port that is down a new device, with as many inlets; its policies and counters stay.
  Ticket revive(PortId port, std::unique_ptr<Port> device, std::vector<std::unique_ptr<Port>> further = {});

  /// To be called when the port's interface is gone; the port itself may not have noticed.
  void endDevice(PortId port);
  /// The MTU of the port's interface has changed, in bytes.
  void setMtu(PortId port, std::uint32_t mtu);

  /// Without a carrier no frame enters or leaves the port, and the kernel behind a TAP sees that the cable is
  /// out. Holds until it is set again, whatever becomes of the device.
  Ticket setCarrier(PortId port, bool on);

  /// All changes at once, or none: no frame meets a mixture.
  std::optional<Applied> apply(FabricId fabric, std::span<const PathChange> changes, bool flush);

  /// Takes a ticket of everything ordered so far; `done` runs when it is settled.
  Ticket fence(std::function<void()> done) { return graces_.fence(std::move(done)); }
  /// The ticket of everything ordered so far that took one.
  [[nodiscard]] Ticket latest() const { return graces_.latest(); }
  /// Whether the ticket's change holds for every frame from now on.
  [[nodiscard]] bool settled(Ticket ticket) const { return graces_.settled(ticket); }
  /// Carries tickets forward, destroys what no worker can meet any more, and hands out events.
  void poll(const std::function<void(const Event&)>& each);

  [[nodiscard]] Result<CaptureId> startCapture(const CaptureSettings& settings, Output output,
                                               const std::vector<CaptureTarget>& targets) {
    return captures_.start(settings, std::move(output), targets, workers_.size());
  }
  Ticket endCapture(CaptureId capture) { return captures_.end(capture); }
  [[nodiscard]] const Capture& capture(CaptureId id) const { return captures_.at(id); }
  void forgetCapture(CaptureId id) { captures_.forget(id); }
  [[nodiscard]] LatenessSnapshot lateness(std::size_t worker) const {
    return worker < workers_.size() ? workers_[worker].lateness().snapshot() : LatenessSnapshot{};
  }

  [[nodiscard]] Work work(std::size_t worker) const { return workers_[worker].work(); }

  /// Virtual clock only: runs everything that is due until `duration` from now, in order, each at its own
  /// instant. With `stopAtNews` it stops at the first instant at which a worker has something to tell.
  void advance(Duration duration, bool stopAtNews = false);
  [[nodiscard]] Instant now() const { return workers_.clock().now(); }
  [[nodiscard]] bool isVirtual() const { return workers_.clock().isVirtual(); }

  /// Whether the number stands for something that the other methods may be given: a port from attach() to
  /// detach(), a fabric or a capture until it is removed or forgotten. No number is given out twice.
  [[nodiscard]] bool knows(PortId port) const { return find(port); }
  [[nodiscard]] bool knows(FabricId fabric) const {
    return fabrics_.contains(static_cast<std::uint32_t>(fabric));
  }
  [[nodiscard]] bool knows(CaptureId capture) const { return captures_.knows(capture); }
  [[nodiscard]] std::uint16_t workerOf(PortId port) const { return attachment(port).worker; }
  [[nodiscard]] std::uint16_t leastLoaded() const { return workers_.leastLoaded(1).front(); }
  [[nodiscard]] std::size_t workers() const { return workers_.size(); }
  /// Has the worker poll a source until it is removed, or the engine closes.
  void addSource(std::uint16_t worker, std::shared_ptr<Source> source) {
    workers_.addSource(worker, std::move(source));
  }
  /// Closed when the ticket is settled.
  Ticket removeSource(std::uint16_t worker, const std::shared_ptr<Source>& source) {
    workers_.removeSource(worker, source);
    return fence([] {});
  }
  /// Runs the order on its worker: at the next turn, or at once where the control thread is the worker.
  void order(std::uint16_t worker, Mailbox::Order order) { workers_.order(worker, std::move(order)); }
  /// Carries out work on a port, on its worker.
  void orderPort(PortId port, std::function<void(Port&)> work);
  /// Something has come for a source of the worker, which may sleep.
  void nudge(std::uint16_t worker) noexcept { workers_[worker].nudge(); }

  [[nodiscard]] Port& port(PortId id) { return *attachment(id).port; }
  [[nodiscard]] PortSnapshot portSnapshot(PortId port) const { return snapshotOf(attachment(port)); }
  /// The counters of a pair that has a policy, or once had one; nothing for others.
  [[nodiscard]] std::optional<PathSnapshot> pathSnapshot(PortId from, PortId to) const;
  /// The addresses that a switch has learned at ports that are still there.
  [[nodiscard]] std::vector<LearnedAddress> addresses(FabricId fabric) const;
  /// Ends a storm that was told, or the flapping of an address, if nothing of it has happened after `until`.
  EpisodeState endStorm(PortId port, Traffic traffic, Instant until);
  EpisodeState endFlapping(FabricId fabric, AddressKey address, Instant until);
  [[nodiscard]] const char* ioName() const { return workers_[0].io()->name(); }

  /// Stops the workers and closes every port. Idempotent; returns how many frames were still referenced (0).
  std::size_t close();

 private:
  Engine(const EngineOptions& options, std::function<void()> wake);

  [[nodiscard]] Attachment& attachment(PortId id) const { return *attachments_.at(id); }
  /// nullptr for one that is not attached, or not any more.
  [[nodiscard]] Attachment* find(PortId id) const {
    const auto found = attachments_.find(id);
    return found == attachments_.end() || found->second->leaving ? nullptr : found->second.get();
  }
  void expectFlapping(const FabricRecord& fabric, std::ptrdiff_t sign);
  [[nodiscard]] FabricRecord& record(FabricId id) const {
    return *fabrics_.at(static_cast<std::uint32_t>(id));
  }
  [[nodiscard]] static std::uint64_t pairKey(PortId from, PortId to) {
    return std::uint64_t{static_cast<std::uint32_t>(from)} << 32 | static_cast<std::uint32_t>(to);
  }
  /// The path of a pair; made if there never was one, and started anew if the change has a seed. `known` is
  /// the path where the caller has it already, else nullptr: then it is looked up.
  Path& pathOf(const FabricRecord& fabric, const FabricRecord::PairChange& change, Path* known);
  Ticket publish(FabricRecord& fabric, std::unique_ptr<const FabricVersion> next,
                 std::function<void()> done = {});
  /// Publishes a version with these ports; `done` runs when no frame meets the one before any more.
  Ticket publish(FabricRecord& fabric, FabricRecord::Ports ports, std::function<void()> done = {});
  void configure(Attachment& attachment, const PortSettings& settings);
  /// Drops what a port that leaves has under way: in its device, on its paths, and on the last leg into
  /// others.
  void clearOut(FabricRecord& fabric, Attachment& leaving, const std::vector<std::uint64_t>& pairs);
  /// An inlet has found its device gone: closes the other inlets of the port. Returns false if that was
  /// known already, or is about a device that the port has no more.
  bool takeDown(const Event& event);
  [[nodiscard]] Captures::Place* listenersOf(PortId from, std::optional<PortId> to);
  /// Destroys the paths and attachments of ports that have left, those for which nothing is under way any
  /// more: until then frames may still be counted there.
  void clearLeft();

  std::uint64_t seed_;
  std::function<void()> wake_;
  Workers workers_;
  GracePeriods graces_{workers_, wake_};
  std::map<std::uint32_t, std::unique_ptr<FabricRecord>> fabrics_;
  std::unordered_map<PortId, std::unique_ptr<Attachment>> attachments_;  // also of ports that are leaving
  std::vector<std::uint32_t> freeIndices_;                               // of PortKeys
  std::unordered_map<std::uint64_t, std::unique_ptr<Path>> paths_;
  // Of ports that have left: frames that are still under way count in their accounts.
  std::vector<std::unique_ptr<Path>> leftPaths_;
  std::vector<std::unique_ptr<Attachment>> leftAttachments_;
  Captures captures_{workers_.clock(), graces_,
                     [this](PortId from, std::optional<PortId> to) { return listenersOf(from, to); }, wake_};
  std::uint32_t nextFabric_ = 0;
  std::uint32_t nextPort_ = 0;
  std::uint32_t generation_ = 0;
  std::uint64_t changes_ = 0;  // how many changes of policies there were
  bool closed_ = false;
};

}  // namespace etherloom
