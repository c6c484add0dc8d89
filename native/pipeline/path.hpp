// A directed pair of ports: filter, impairments, line, travel, departure. The moving parts of one path.
//
// Constructed on the control thread, before a topology names it; from then on its methods belong to the
// worker of its to-port, except the offers of `account`, which the workers of its from-port write. It
// outlives the policies it is given: the random streams, the line's free time and the frames under way stay
// when a policy is replaced.
//
// Theory of operation. admit() runs a frame through the impairments of the policy it was judged by and gives
// each copy to the line, or to travel where there is none. A path has one next event, due(): a frame leaves
// its line and starts to travel, or a frame has arrived. step() carries out that one event at its own
// instant, however late the worker is, so that lateness never adds up. A frame that nothing holds back skips
// all of this and is staged at once.
//
// A super-frame meets the fates that its wire frames would have met, one after the other: each segment is
// judged on numbers, without its bytes. What goes on unchanged and at the same time stays together: segments
// between two that were dropped, edited or duplicated leave as one train, and a super-frame that nothing
// happened to as it came. Before a line, jitter or reorder all of it is cut, so a line serves, and a limit
// counts, wire frames only. Where there is no large buffer for a train, or none may be held any more, small
// ones take its wire frames.
//
// Under a policy with netem, what netem does takes the place of impairments, line and travel
// (path_netem.cpp). When a policy takes the place of another, frames that wait in netem, and on a line if the
// new policy has netem, begin at once to travel to the instant at which they would have left: nothing can
// change that any more, and no new frame comes before it.
#pragma once

#include <atomic>
#include <cstdint>
#include <string_view>

#include "capture/capture.hpp"
#include "frame/batch.hpp"
#include "frame/lateness.hpp"
#include "lines/held.hpp"
#include "lines/line.hpp"
#include "lines/netem.hpp"
#include "lines/trace.hpp"
#include "lines/travel.hpp"
#include "pipeline/departures.hpp"
#include "pipeline/policy.hpp"

namespace etherloom {

struct Attachment;

/// What a path borrows from the worker that owns it.
struct PathTools {
  FramePool& pool;
  HeldPool& held;
  /// Gives its to-port an item that leaves its path at this instant.
  void (*stage)(void* worker, Attachment& to, TxItem item, Instant at) noexcept;
  void* worker;
  std::uint16_t index = 0;       ///< the worker's number
  Instant now{};                 ///< the clock, as the worker last read it
  Lateness* lateness = nullptr;  ///< what it counts departures in
};

class Path {
 public:
  /// `seed` is the path's own, derived from the engine's seed and the names, or stated by the policy.
  Path(Attachment& from, Attachment& to, std::uint64_t seed);

  [[nodiscard]] Attachment& from() const { return from_; }
  [[nodiscard]] Attachment& to() const { return to_; }

  /// Starts every random stream anew.
  void reseed(std::uint64_t seed);
  /// The trace of the policy that is about to take hold begins at this instant. Control thread, before the
  /// policy is published; a policy with the trace that the path has goes on in it instead.
  void startTrace(Instant at) noexcept { traceStart_.store(at.nanoseconds, std::memory_order_relaxed); }
  /// Takes one reference to the frame. Events due by the frame's arrival must have been carried out before.
  void admit(Frame* frame, const Policy& policy, PathTools& tools) noexcept;
  /// Carries out the one event that is due next.
  void step(PathTools& tools) noexcept;
  /// Drops what waits and travels, counted as `flush`.
  void flush(PathTools& tools) noexcept;

  [[nodiscard]] Instant due() const noexcept;
  /// Whether it keeps frames; those behind the end of a trace are never due.
  [[nodiscard]] bool holds() const noexcept {
    return !line_.empty() || !travel_.empty() || netem_.size() != 0;
  }
  /// The order of departures: when due, then the key of the frame that is due.
  [[nodiscard]] bool before(const Path& other) const noexcept;

  PathAccount account;
  /// Who records its frames; nullptr for nobody. Replaced by the control thread, read by the workers of both
  /// ports.
  std::atomic<const CaptureTaps*> taps{nullptr};
  std::size_t place = Departures<Path>::nowhere;

 private:
  void adopt(const Policy& policy, PathTools& tools) noexcept;
  void settle(const Policy& policy, PathTools& tools) noexcept;
  void admitSegments(Frame* superFrame, const Policy& policy, PathTools& tools) noexcept;
  void impair(Passage& passage, const Policy& policy) noexcept;
  void conclude(const Passage& passage, const Policy& policy, PathTools& tools) noexcept;
  void sendTrain(const Segmenter& segmenter, std::uint32_t first, std::uint32_t end, const Policy& policy,
                 PathTools& tools) noexcept;
  void sendEach(const Segmenter& segmenter, std::uint32_t first, std::uint32_t end, const Policy& policy,
                PathTools& tools) noexcept;
  void replay(Passage& passage, const Policy& policy, PathTools& tools) noexcept;
  void send(Frame* frame, std::uint32_t copy, const Policy& policy, PathTools& tools) noexcept;
  void sendUnheld(Frame* frame, const Policy& policy, PathTools& tools) noexcept;
  [[nodiscard]] bool hasShare(const Frame& frame, const PathTools& tools) const noexcept;
  [[nodiscard]] Held* keep(Frame* frame, std::uint32_t copy, PathTools& tools) noexcept;
  void admitToNetem(Frame* frame, const NetemSettings& settings, PathTools& tools) noexcept;
  void enterNetem(Frame* frame, bool clone, const NetemSettings& settings, PathTools& tools) noexcept;
  void queueInNetem(Frame* frame, bool beside, const NetemSettings& settings, PathTools& tools) noexcept;
  void leaveLine(PathTools& tools) noexcept;
  void sendAfter(Frame* frame, Duration delay, PathTools& tools) noexcept;
  void arrive(Held* held, Instant due, PathTools& tools) noexcept;
  void leave(Frame* frame, Duration delay, PathTools& tools) noexcept;
  void depart(Held* held, Instant at) noexcept;
  [[nodiscard]] bool mark(Held* held, PathTools& tools) noexcept;
  [[nodiscard]] Frame* take(Held* held, PathTools& tools) noexcept;
  void flushLine(PathTools& tools) noexcept;
  void drop(Frame* frame, DropReason reason, const char* stage, PathTools& tools) noexcept;
  void logDrop(DropReason reason, const char* stage, const Frame& frame, std::uint32_t length,
               const PathTools& tools) const noexcept;
  void logArrival(const CaptureTaps& all, const Frame& frame, const PathTools& tools) const noexcept;
  void logDeparture(const CaptureTaps& all, const Frame& frame, Duration delay,
                    const PathTools& tools) const noexcept;
  [[nodiscard]] Fate fateInHand(Fate::Kind kind) const noexcept;
  void countHeld() noexcept;
  [[nodiscard]] const Held* head() const noexcept;

  Attachment& from_;
  Attachment& to_;
  std::uint64_t policySerial_ = 0;
  FrameNote note_;                // of the frame in hand: the one that is admitted, leaves or is dropped
  std::uint32_t copy_ = 0;        // and which copy of it
  std::uint64_t replayed_ = 0;    // frames that have met a fate of the policy's log
  std::uint64_t latestLeft_ = 0;  // the highest number of those that left
  TravelSettings travelSettings_;
  std::atomic<std::int64_t> traceStart_ = 0;
  TraceRun run_;  // of the policy that holds
  Trace::Cursor arrivals_;
  Trace::Cursor departures_;
  StageStates stages_;
  Line line_{stages_};
  Travel travel_;
  Netem netem_;
};

/// The seed of a path, from its engine's and the names that make it this path.
[[nodiscard]] std::uint64_t pathSeed(std::uint64_t engineSeed, std::string_view fabric, std::string_view from,
                                     std::string_view to);

}  // namespace etherloom
