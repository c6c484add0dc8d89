// A set of workers with one clock, and the control thread's picture of what they work on.
//
// Every method belongs to one thread, the control thread (in Node: the environment that made the engine),
// except that workers call the `wake` given at creation, which should lead to a poll().
//
// Theory of operation. The control thread keeps a mutable picture of every fabric. A change builds a new
// immutable FabricVersion (topology_edit.hpp), publishes it with one store and takes a Ticket (grace.hpp).
// When that is settled, no frame can meet the old version, and what it alone referred to is destroyed.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "pipeline/topology.hpp"
#include "runtime/captures.hpp"
#include "runtime/grace.hpp"
#include "runtime/snapshots.hpp"
#include "runtime/worker.hpp"

namespace etherloom {

enum class FabricId : std::uint32_t {};

/// How a worker reads and writes. Best is io_uring where the kernel and the container allow it, else epoll.
enum class IoKind : std::uint8_t { Best, Uring, Epoll };

struct EngineOptions {
  Clock::Kind clock = Clock::Kind::Real;
  unsigned workers = 1;
  std::uint64_t seed = 0;
  std::size_t memory = 64u << 20;  ///< bytes of frames, shared out among the workers
  IoKind io = IoKind::Best;
  Duration spin;  ///< how long before a departure a worker stops sleeping; forever: it never sleeps
};

/// What the policy of one directed pair shall be from now on; no policy means the fabric's default.
struct PathChange {
  PortId from{};
  PortId to{};
  std::shared_ptr<const Policy> policy;
  std::optional<std::uint64_t> seed;  ///< the path's own, instead of the derived one
};

/// What a change did: pairs that frames can pass now and could not before, the reverse, and other changes.
struct Applied {
  std::uint32_t up = 0, down = 0, changed = 0;
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
  /// one. `further`: the device's other queues, which only receive, each on another worker.
  [[nodiscard]] Result<PortId> attach(FabricId fabric, std::string name, std::unique_ptr<Port> port,
                                      std::optional<std::uint16_t> worker = {},
                                      std::vector<std::unique_ptr<Port>> further = {});
  /// What the port that is attached next under this name shall have from its first frame; nothing takes that
  /// back.
  void expect(FabricId fabric, const std::string& name, std::optional<PortSettings> settings);
  /// Replaces what the port has in its fabric, whole but for group and VLANs, which stay. What is on its way
  /// into the port keeps its departure.
  Ticket configure(PortId port, const PortSettings& settings);
  /// Takes the port out of its fabric and closes its device, which has ended when the ticket is settled. What
  /// its paths hold is dropped as `flush`.
  Ticket detach(PortId port);
  /// Gives a port that is down a new device, with as many queues; its policies and counters stay.
  Ticket revive(PortId port, std::unique_ptr<Port> device, std::vector<std::unique_ptr<Port>> further = {});

  /// The port's interface is gone, which the port itself need not have noticed.
  void endDevice(PortId port);
  /// The MTU of the port's interface has changed, in bytes.
  void setMtu(PortId port, std::uint32_t mtu);

  /// Without a carrier no frame enters or leaves the port, and the kernel behind a TAP sees that the cable is
  /// out. Holds until it is set again, whatever becomes of the device.
  Ticket setCarrier(PortId port, bool on);

  /// All changes at once, or none: no frame meets a mixture.
  Applied apply(FabricId fabric, std::span<const PathChange> changes, bool flush);

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
    return worker < workers_.size() ? workers_[worker]->lateness().snapshot() : LatenessSnapshot{};
  }

  [[nodiscard]] Work work(std::size_t worker) const { return workers_.at(worker)->work(); }

  /// Virtual clock only: runs everything that is due until `duration` from now, in order, each at its own
  /// instant.
  void advance(Duration duration);
  [[nodiscard]] Instant now() const { return clock_.now(); }
  [[nodiscard]] bool isVirtual() const { return clock_.isVirtual(); }

  /// Whether the number stands for something that the other methods may be given: a port from attach() to
  /// detach(), a fabric or a capture until it is removed or forgotten. No number is given out twice.
  [[nodiscard]] bool knows(PortId port) const {
    const auto found = seats_.find(port);
    return found != seats_.end() && !found->second->leaving;
  }
  [[nodiscard]] bool knows(FabricId fabric) const {
    return fabrics_.contains(static_cast<std::uint32_t>(fabric));
  }
  [[nodiscard]] bool knows(CaptureId capture) const { return captures_.knows(capture); }
  [[nodiscard]] FabricId fabricOf(PortId port) const { return FabricId{seat(port).fabric->id}; }
  [[nodiscard]] std::uint16_t workerOf(PortId port) const { return seat(port).worker; }
  [[nodiscard]] std::uint16_t leastLoaded() const;
  [[nodiscard]] std::size_t workers() const { return workers_.size(); }
  /// Has the worker poll a source for as long as the engine is open.
  void addSource(std::uint16_t worker, std::shared_ptr<Source> source);
  /// Runs the order on its worker: at the next turn, or at once where the control thread is the worker.
  void order(std::uint16_t worker, Mailbox::Order order);
  /// Carries out work on a port, on its worker.
  void orderPort(PortId port, std::function<void(Port&)> work);
  /// Something has come for a source of the worker, which may sleep.
  void nudge(std::uint16_t worker) noexcept { workers_[worker]->nudge(); }

  [[nodiscard]] Port& port(PortId id) { return *seat(id).port; }
  [[nodiscard]] PortSnapshot portSnapshot(PortId port) const;
  /// Of a pair that has, or once had, a policy.
  [[nodiscard]] std::optional<PathSnapshot> pathSnapshot(PortId from, PortId to) const;
  /// What a switch has learned of the ports that it has.
  [[nodiscard]] std::vector<LearnedAddress> addresses(FabricId fabric) const;
  [[nodiscard]] const char* ioName() const;

  /// Stops the workers and closes every port. Idempotent; returns how many frames were still referenced (0).
  std::size_t close();

 private:
  struct FabricRecord {
    FabricSeat seat;
    bool forwarding = true;
    std::shared_ptr<const FabricVersion> version;
    std::vector<Slot> freeSlots;
    std::map<std::string, PortSettings> expected;       // by the names of ports that are about to be attached
    std::map<std::string, std::uint32_t> groupNumbers;  // of all groups there ever were; from 1 on
    std::vector<std::uint32_t> groupSizes;              // their ports, by number; 0 is not used
    std::uint32_t portsWithVlans = 0;                   // that were told theirs
  };
  Engine(const EngineOptions& options, std::function<void()> wake);

  [[nodiscard]] Attachment& seat(PortId id) const { return *seats_.at(id); }
  [[nodiscard]] FabricRecord& record(FabricId id) { return *fabrics_.at(static_cast<std::uint32_t>(id)); }
  [[nodiscard]] const FabricRecord& record(FabricId id) const {
    return *fabrics_.at(static_cast<std::uint32_t>(id));
  }
  [[nodiscard]] static std::uint64_t pairKey(PortId from, PortId to) {
    return std::uint64_t{static_cast<std::uint32_t>(from)} << 32 | static_cast<std::uint32_t>(to);
  }
  /// The pair's path, which is made where there never was one and starts anew where a seed is given. `known`
  /// spares the search.
  Path& pathOf(FabricRecord& fabric, Attachment& from, Attachment& to, Path* known,
               std::optional<std::uint64_t> seed);
  Ticket publish(FabricRecord& fabric, std::unique_ptr<const FabricVersion> next,
                 std::function<void()> done = {});
  /// Works out what follows from the members of a version: who is in the groups, and whether there are VLANs.
  static void survey(const FabricRecord& fabric, FabricVersion& version);
  /// What was learned on this fabric is learned anew: its frames belong to other VLANs now.
  void forgetAddresses(FabricRecord& fabric);
  void orderAll(const Mailbox::Order& order);
  void setAlone(Attachment& seat, bool alone);
  /// Once before the port's first delay.
  void prepareDelay(Attachment& seat);
  /// The so many workers that shall have the queues of a new port, starting with the given one, if any.
  [[nodiscard]] std::vector<std::uint16_t> workersFor(std::size_t queues,
                                                      std::optional<std::uint16_t> first) const;
  /// A queue has found its device gone: closes the port's others. False when that is no news.
  bool takeDown(const Event& event);
  [[nodiscard]] Captures::Place* tapsOf(PortId from, std::optional<PortId> to);
  /// Destroys what ports that left have paid with, as far as nothing is under way any more.
  void clearLeft();

  Clock clock_;
  std::uint64_t seed_;
  std::function<void()> wake_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<std::shared_ptr<Source>> sources_;
  GracePeriods graces_{workers_, wake_, isVirtual()};
  std::map<std::uint32_t, std::unique_ptr<FabricRecord>> fabrics_;
  std::unordered_map<PortId, std::unique_ptr<Attachment>> seats_;  // those that leave among them
  std::vector<std::uint32_t> freeIndices_;                         // of PortKeys
  std::unordered_map<std::uint64_t, std::unique_ptr<Path>> paths_;
  std::vector<std::unique_ptr<Path>> leftPaths_;  // of ports that left: their accounts may be needed ...
  std::vector<std::unique_ptr<Attachment>> leftSeats_;  // ... and those for pairs without a policy
  Captures captures_{clock_, graces_,
                     [this](PortId from, std::optional<PortId> to) { return tapsOf(from, to); }, wake_};
  std::uint32_t nextFabric_ = 0;
  std::uint32_t nextPort_ = 0;
  std::uint32_t generation_ = 0;
  std::uint64_t changes_ = 0;  // of policies, so far
  bool closed_ = false;
};

}  // namespace etherloom
