// A set of workers with one clock, and the control thread's picture of what they work on.
//
// Every method belongs to one thread, the control thread (in Node: the environment that made the engine),
// except that workers call the `wake` given at creation, which should lead to a poll().
//
// Theory of operation. The control thread keeps a mutable picture of every fabric. A change builds a new
// immutable FabricVersion, publishes it with one store and takes a Ticket. A ticket is settled when every
// worker has passed a turn that began after the store and then, since copies may have been under way between
// workers, another one; only then can no frame meet the old version, and what it alone referred to is
// destroyed. On a virtual clock the control thread runs the workers itself, so a ticket is settled as soon as
// it is taken.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "pipeline/topology.hpp"
#include "runtime/capture_writer.hpp"
#include "runtime/worker.hpp"

namespace etherloom {

using Ticket = std::uint64_t;
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

/// A consistent copy of the counters of one path.
struct PathSnapshot {
  std::uint64_t offered = 0, duplicated = 0, delivered = 0, deliveredBytes = 0, waiting = 0, inFlight = 0;
  std::uint64_t marked = 0, delayed = 0, reordered = 0, corrupted = 0;
  std::array<std::uint64_t, dropReasonCount> dropped{};

  [[nodiscard]] std::uint64_t underWay() const { return waiting + inFlight; }
};

/// A consistent copy of the counters of one port, with those of its pairs without a policy.
struct PortSnapshot {
  std::uint64_t receivedFrames = 0, receivedBytes = 0, transmittedFrames = 0, transmittedBytes = 0;
  std::array<std::uint64_t, dropReasonCount> dropped{};
  PathSnapshot defaults;
};

/// What is recorded: a port, or a path when `to` is given.
struct CaptureTarget {
  PortId from{};
  std::optional<PortId> to;
  CaptureTap::Kind kind{};
  pcapng::Interface interface;
};

enum class CaptureId : std::uint32_t {};

class Engine {
 public:
  [[nodiscard]] static Result<std::unique_ptr<Engine>> create(const EngineOptions& options,
                                                              std::function<void()> wake);
  ~Engine();

  FabricId addFabric(std::string name, std::unique_ptr<Fabric> fabric, bool forwarding);
  /// The fabric must have no ports.
  Ticket removeFabric(FabricId fabric);

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
  /// Takes the port out of its fabric and closes its device. What its paths hold is dropped as `flush`.
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
  Ticket fence(std::function<void()> done);
  /// The ticket of everything ordered so far that took one.
  [[nodiscard]] Ticket latest() const { return taken_; }
  /// Whether the ticket's change holds for every frame from now on.
  [[nodiscard]] bool settled(Ticket ticket) const { return ticket <= settled_; }
  /// Carries tickets forward, destroys what no worker can meet any more, and hands out events.
  void poll(const std::function<void(const Event&)>& each);

  /// Begins to record. A path must have, or have had, a policy.
  [[nodiscard]] Result<CaptureId> startCapture(CaptureSettings settings, Output output,
                                               const std::vector<CaptureTarget>& targets);
  /// Stops recording; the capture has ended some time after the ticket is settled, and then wakes.
  Ticket endCapture(CaptureId capture);
  [[nodiscard]] const Capture& capture(CaptureId id) const {
    return *captures_.at(static_cast<std::uint32_t>(id));
  }
  /// Of a capture that has ended.
  void forgetCapture(CaptureId id) { captures_.erase(static_cast<std::uint32_t>(id)); }
  [[nodiscard]] LatenessSnapshot lateness(std::size_t worker) const {
    return worker < workers_.size() ? workers_[worker]->lateness().snapshot() : LatenessSnapshot{};
  }

  /// Virtual clock only: runs everything that is due until `duration` from now, in order, each at its own
  /// instant.
  void advance(Duration duration);
  [[nodiscard]] Instant now() const { return clock_.now(); }
  [[nodiscard]] bool isVirtual() const { return clock_.isVirtual(); }

  [[nodiscard]] std::uint16_t workerOf(PortId port) const { return seat(port).worker; }
  [[nodiscard]] std::uint16_t leastLoaded() const;
  [[nodiscard]] std::size_t workers() const { return workers_.size(); }
  void useBridge(std::uint16_t worker, MemoryBridge& bridge);
  /// Runs the order on its worker: at the next turn, or at once where the control thread is the worker.
  void order(std::uint16_t worker, Mailbox::Order order);
  /// Frames were committed to the worker's bridge.
  void committed(std::uint16_t worker) noexcept;

  [[nodiscard]] Port& port(PortId id) { return *seat(id).port; }
  [[nodiscard]] PortSnapshot portSnapshot(PortId port) const;
  /// Of a pair that has, or once had, a policy.
  [[nodiscard]] std::optional<PathSnapshot> pathSnapshot(PortId from, PortId to) const;
  [[nodiscard]] std::vector<AddressRow> addresses(FabricId fabric) const;
  [[nodiscard]] std::optional<PortId> portAt(FabricId fabric, Slot slot) const;
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
  struct Grace {
    Ticket ticket;
    std::uint64_t epoch;
    bool second;
    std::function<void()> done;
  };

  Engine(const EngineOptions& options, std::function<void()> wake);

  [[nodiscard]] Attachment& seat(PortId id) const { return *seats_[static_cast<std::size_t>(id)]; }
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
  /// Within a `done`: as extend(), and not before the writes of all these have ended.
  void whenGone(std::vector<const Port*> ports, std::function<void()> done);
  /// Within a `done`: the ticket is settled only after another grace period and this.
  void extend(std::function<void()> done);
  /// The so many workers that shall have the queues of a new port, starting with the given one, if any.
  [[nodiscard]] std::vector<std::uint16_t> workersFor(std::size_t queues,
                                                      std::optional<std::uint16_t> first) const;
  /// A queue has found its device gone: closes the port's others. False when that is no news.
  bool takeDown(const Event& event);
  /// A capture's ear on one port or path.
  struct TapRecord {
    CaptureId capture;
    PortId from;
    std::optional<PortId> to;
    CaptureTap tap;
  };
  /// Where the taps of a port or path hang; nullptr where there is none any more.
  [[nodiscard]] std::atomic<const CaptureTaps*>* tapsOf(PortId from, std::optional<PortId> to);
  /// Hangs up what tapRecords_ say of this port or path. What hung there before goes into `old`.
  void hangTaps(PortId from, std::optional<PortId> to, std::vector<std::shared_ptr<const CaptureTaps>>& old);
  void forgetTaps(PortId port);
  /// Destroys what ports that left have paid with, as far as nothing is under way any more.
  void clearLeft();
  std::uint64_t requestPass();
  [[nodiscard]] std::uint64_t slowestPass() const;

  Clock clock_;
  std::uint64_t seed_;
  std::function<void()> wake_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::map<std::uint32_t, std::unique_ptr<FabricRecord>> fabrics_;
  std::vector<std::unique_ptr<Attachment>> seats_;
  std::vector<PortId> freePorts_;
  std::unordered_map<std::uint64_t, std::unique_ptr<Path>> paths_;
  std::vector<std::unique_ptr<Path>> leftPaths_;  // of ports that left: their accounts may be needed ...
  std::vector<std::unique_ptr<Attachment>> leftSeats_;  // ... and those for pairs without a policy
  std::map<std::uint32_t, std::shared_ptr<Capture>> captures_;
  std::vector<TapRecord> tapRecords_;
  std::map<std::pair<PortId, std::optional<PortId>>, std::shared_ptr<const CaptureTaps>> taps_;
  std::unique_ptr<CaptureWriter> captureWriter_;
  const Duration timeOfDayOrigin_ = timeOfDayOrigin();
  std::uint32_t nextCapture_ = 0;
  std::deque<Grace> graces_;
  std::uint32_t nextFabric_ = 0;
  std::uint32_t generation_ = 0;
  std::uint64_t changes_ = 0;  // of policies, so far
  std::uint64_t epoch_ = 0;
  Ticket taken_ = 0;
  Ticket settled_ = 0;
  Ticket extending_ = 0;
  bool closed_ = false;
};

}  // namespace etherloom
