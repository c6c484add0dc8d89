// One native thread that owns ports, and all that moves for them. turn() is the whole data plane.
//
// Construction, start(), join() and the mailbox belong to the control thread; everything else runs on the
// worker's own thread, or, on a virtual clock, on the thread that advances it.
#pragma once

#include <algorithm>
#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "io/io.hpp"
#include "os/clock.hpp"
#include "os/doorbell.hpp"
#include "pipeline/departures.hpp"
#include "pipeline/pipeline.hpp"
#include "ports/source.hpp"
#include "runtime/events.hpp"
#include "runtime/mailbox.hpp"
#include "runtime/ring.hpp"

namespace etherloom {

/// Addresses learned on one worker, on their way to the fabric's home worker.
struct Lesson {
  EngineFabric* fabric;
  Learned learned;
};

/// What a worker has done: turns, frames of the wire with their bytes, and system calls.
struct Work {
  std::uint64_t turns = 0, frames = 0, bytes = 0, calls = 0;
};

class Worker final : private ReadySink, private PipelineSink {
 public:
  /// How many copies the ring from one other worker holds, and how many of these places one burst may take. A
  /// port that sends there is served only while there is room for two such bursts. So what is too much of a
  /// flood waits in its device, and does not fill the ring that others need, too.
  static constexpr std::size_t ringSize = 4096;
  static constexpr std::size_t burstCopies = ringSize / 4;
  /// A port that has sent to another worker counts as one that does for its next 1,024 to 2,048 bursts. So
  /// one whose bursts mostly stay here waits for that worker like the others, and does not pass them by.
  static constexpr std::uint32_t burstsRemembered = 1024;

  struct Setup {
    std::uint16_t index;
    const Clock& clock;
    std::unique_ptr<FramePool> pool;
    std::unique_ptr<Io> io;
    Doorbell doorbell;
    std::function<void()> tellControl;  ///< wakes the control thread; called from the worker's thread
    Duration spin;                      ///< how long before a departure to stop sleeping
  };
  explicit Worker(Setup setup);

  // ---- the control thread ----
  /// The other workers of the engine, this one among them. Before start().
  void meet(std::span<const std::unique_ptr<Worker>> workers);
  void start();
  void join();
  /// Takes back the frames that the Io has lent to the kernel. After join().
  void closeIo() { io_.reset(); }
  Mailbox mailbox;
  /// Ends a wait in turn(), if there is one. Any thread.
  void nudge() noexcept;
  /// Asks the worker to say when it has passed a whole turn that began after this.
  void requestPass(std::uint64_t epoch) noexcept { requested_.store(epoch, std::memory_order_release); }
  [[nodiscard]] std::uint64_t passed() const noexcept { return passed_.load(std::memory_order_acquire); }
  Ring<Event> events{1024};
  [[nodiscard]] const Io* io() const { return io_.get(); }
  [[nodiscard]] FramePool& pool() { return *pool_; }
  [[nodiscard]] const Lateness& lateness() const { return lateness_; }
  [[nodiscard]] std::size_t load() const { return load_; }
  /// What its turns have cost. Any thread.
  [[nodiscard]] Work work() const noexcept {
    return {turns_.get(), frames_.get(), bytes_.get(), calls_.get()};
  }
  void addLoad(std::ptrdiff_t ports) { load_ += static_cast<std::size_t>(ports); }

  /// Lends the port the worker's pool, before anything can name it.
  void enter(Inlet& inlet) { inlet.port->enter(*pool_, *this, turn_, inlet.counters); }
  /// What the paths into its ports use of it: clock, pool and so on.
  [[nodiscard]] PathHost& host() { return host_; }

  // ---- orders ----
  void attach(Inlet& inlet);
  void detach(Inlet& inlet);
  /// Closes the device of this inlet, since another inlet of the port has found the interface gone.
  void close(Inlet& inlet) { closeDevice(inlet); }
  void revive(Inlet& inlet, std::unique_ptr<Port> device, std::uint32_t generation,
              std::unique_ptr<Port>& old);
  /// Takes the port down: somebody else has learned that its device is gone.
  void end(Inlet& inlet, int error) { takeDown(inlet, error); }
  void setCarrier(Inlet& inlet, bool on);
  /// Tells the paths into its ports their new policies; with `flush` they also drop what they hold.
  void adopt(std::span<const RowEntry> entries, bool flush);
  void flush(Path& path);
  /// Drops what is on its way into a port, or only what this account pays for.
  void flushDelay(Attachment& to, const PathAccount* account);
  void setAlone(Attachment& attachment, bool alone);
  void configure(Attachment& attachment, const PortSettings& settings);
  void addSource(Source& source);
  void removeSource(Source& source);
  /// Makes room for so many more (or fewer) events, one for each thing that can be told once at a time. This
  /// is an order of its own because the frame path, which tells them, must not allocate.
  void expectEvents(std::ptrdiff_t more);
  void reservePorts(std::size_t ports) { pipeline_.reserve(ports); }
  void reservePaths(std::size_t paths) { departures_.reserve(paths); }
  void reserveDelays(std::size_t ports) { delays_.reserve(ports); }

  // ---- the frame path ----
  void turn();
  /// Tells events again that found the ring full. Returns whether there were any and one found room.
  bool tellRest() noexcept;
  /// Whether such events wait, which a turn of the worker tells. Any thread.
  [[nodiscard]] bool hasRest() const noexcept { return hasRest_.load(std::memory_order_acquire); }
  /// The two halves of a turn. On a virtual clock all workers finish one half before any begins the other.
  /// Each returns whether anything moved.
  bool receiveAndDecide() noexcept;
  bool admitAndRelease(Instant now) noexcept;
  [[nodiscard]] Instant nextDeparture() const { return std::min(departures_.next(), delays_.next()); }
  /// When there is something to do next, even if no frame and no order comes.
  [[nodiscard]] Instant nextInstant() const noexcept;

 private:
  void run();
  void ready(PortKey key) noexcept override;
  void handOver(std::span<const Crossing> crossings, PathOffer& offer) noexcept override;
  void learned(EngineFabric& fabric, std::span<const Learned> entries) noexcept override;
  void stormBegins(const Attachment& from, Traffic traffic, Instant at) noexcept override;

  /// Whether there is nothing to do before some instant.
  [[nodiscard]] bool idle() const noexcept;
  [[nodiscard]] Instant wakeAt(Instant now) const noexcept;
  /// Lets a port that is ready receive a burst, and counts it. Whether frames came.
  bool serve(Inlet& inlet) noexcept;
  [[nodiscard]] unsigned mostOf(const Inlet& inlet) const noexcept;
  [[nodiscard]] bool joins(Inlet& inlet) noexcept;
  /// Whether all workers that the port has sent to lately have room for another burst. Those that have none
  /// are added to `full`, so that ports that come later in this turn wait for them, too.
  [[nodiscard]] bool mayCross(const Inlet& inlet, std::uint32_t& full) noexcept;
  void noteCrossed(Inlet& inlet, unsigned frames) noexcept;
  void endTurn() noexcept;
  void admitRuns(std::span<const Crossing> crossings) noexcept;
  void admit(std::span<const Crossing> crossings) noexcept;
  void releaseDue(Instant now) noexcept;
  void discard(Inlet& inlet, RxBurst& burst) noexcept;
  void stage(Attachment& to, TxItem item, Instant at) noexcept;
  void lastLeg(Attachment& to, TxItem item, Instant at) noexcept;
  void toPort(Attachment& to, TxItem item) noexcept;
  void put(Attachment& to, TxItem item) noexcept;
  void fit(Attachment& to, TxItem item) noexcept;
  void transmit(Attachment& to) noexcept;
  void flushStages() noexcept;
  void open(Inlet& inlet);
  void makeRoom();
  void end(Inlet& inlet) noexcept;
  void takeDown(Inlet& inlet, int error) noexcept;
  void closeDevice(Inlet& inlet) noexcept;
  void reapClosed() noexcept;
  void learn(const Lesson& lesson) noexcept;
  void emit(const Event& event) noexcept;

  const std::uint16_t index_;
  const Clock& clock_;
  std::unique_ptr<FramePool> pool_;
  std::unique_ptr<Io> io_;
  Doorbell doorbell_;
  std::function<void()> tellControl_;
  const Duration spin_;
  HeldPool held_;
  Lateness lateness_;
  PathHost host_;
  Pipeline pipeline_;
  Departures<Path> departures_;
  Departures<PortDelay> delays_;
  Turn turn_;                  // the one that runs
  std::size_t postponed_ = 0;  // frames that are put off, of all inlets
  const std::size_t mostPostponed_;
  std::vector<Source*> sources_;  // by PortKey::index, with generation 0
  std::vector<Inlet*> inlets_;    // by PortKey::index
  Chain<Inlet> ready_;            // to be received from
  Chain<Attachment> staged_;      // to be transmitted to
  bool eventsPending_ = false;
  bool stopping_ = false;
  std::uint64_t ringsOwed_ = 0;
  std::uint64_t callsBefore_ = 0;  // of the Io
  std::vector<Event> unsent_;      // what is told once and found the ring full, the oldest first
  std::size_t expected_ = 0;       // of what is told once, that can be told before the next order
  std::size_t devices_ = 0;        // of inlets here
  std::vector<Port*> closing_;     // closed, with writes still in flight

  // What other workers send here: one ring per sender; on a virtual clock, where one thread runs all, one
  // list.
  std::vector<std::unique_ptr<Ring<Crossing>>> crossings_;
  std::vector<std::unique_ptr<Ring<Lesson>>> lessons_;
  std::vector<Crossing> crossingsHere_;
  std::vector<Lesson> lessonsHere_;
  std::vector<Worker*> workers_;
  std::vector<std::uint32_t> crossed_;  // by worker: copies of the burst that is being passed
  std::size_t mostOnTheirWay_ = 0;      // copies towards each, while ports that send there are served

  std::thread thread_;
  std::size_t load_ = 0;
  Counter turns_, frames_, bytes_, calls_;
  alignas(64) std::atomic<bool> asleep_{false};
  std::atomic<bool> hasRest_{false};  // whether there is anything in unsent_
  std::atomic<std::uint64_t> requested_{0};
  std::atomic<std::uint64_t> passed_{0};
};

}  // namespace etherloom
