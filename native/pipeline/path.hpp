// A directed pair of ports: impairments, line, travel, departure. The moving parts of one path; its filter
// has judged a frame before it comes here (Pipeline::filter).
//
// Constructed on the control thread, before a topology names it; from then on its methods belong to the
// worker of its to-port, except prepare() and the offers of `account`, which the workers of its from-port
// write. It outlives the policies it is given: the random streams, the line's free time and the frames under
// way stay when a policy is replaced, and so does what a loss model or a discipline remembers, while it is
// one of the same kind.
//
// Theory of operation. admit() runs a frame through the impairments of the policy and offers each copy to the
// shaper, which holds it back (lines/shaper.hpp). A path has one next event, due(). step() carries it out at
// its own instant, however late the worker is, so that lateness never adds up. A frame that nothing holds
// back skips all of this and is staged at once. What shapes frames is made when a policy needs it, so a path
// that only lets frames pass is its counters and little more.
//
// A super-frame meets the fates that its wire frames would have met, one after the other: each segment is
// judged on numbers, without its bytes. What goes on unchanged and at the same time stays together: segments
// between two that were dropped, edited or duplicated leave as one train, and a super-frame that nothing
// happened to as it came. Before a line, jitter or reorder all of it is cut, so a line serves, and a limit
// counts, wire frames only. Where there is no large buffer for a train, or none may be held any more, small
// ones take its wire frames.
//
// A policy holds from its instant on, for frames that wait on the line, too; what travels keeps its
// departure. Before the first frame nothing waits and nothing is remembered: until then only the number and
// the policy are kept, and the first frame hands the policy to what shapes frames. A trace begins with its
// policy, so it is handed over at once. Each change of a policy has a number, and the highest that the path
// has seen holds: so a frame that was judged before the change and comes after it, from another worker, does
// not bring the old one back.
//
// Under a policy with netem, what netem does takes the place of impairments, line and travel
// (path_netem.cpp). Where it comes or goes, frames that wait in netem, and on a line if the new policy has
// netem, begin at once to travel to the instant at which they would have left: nothing can change that any
// more, and no new frame comes before it.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "capture/capture.hpp"
#include "frame/batch.hpp"
#include "frame/lateness.hpp"
#include "lines/exact_shaper.hpp"
#include "lines/held.hpp"
#include "lines/netem.hpp"
#include "pipeline/departures.hpp"
#include "pipeline/policy.hpp"

namespace etherloom {

struct Attachment;
class Path;

/// One explicit pair: what its from-port may do towards one other port.
struct RowEntry {
  Attachment* to;
  Path* path;
  const Policy* policy;
  std::uint64_t change;  ///< the number of the change that brought the policy: later ones have higher ones
  Instant since;         ///< the instant of that change
};

/// The worker that owns a port, as the paths to it and the port's delay see it.
struct PathHost {
  FramePool& pool;
  HeldPool& held;
  /// Gives its to-port an item that leaves its path at this instant.
  void (*stage)(void* worker, Attachment& to, TxItem item, Instant at) noexcept = nullptr;
  void* worker = nullptr;
  std::uint16_t index = 0;       ///< the worker's number
  Instant now{};                 ///< the clock, as the worker last read it
  Lateness* lateness = nullptr;  ///< what it counts departures in
};

class Path {
 public:
  /// `seed` is the path's own, derived from the engine's seed and the names, or stated by the policy.
  Path(Attachment& to, std::uint64_t seed);
  ~Path();

  [[nodiscard]] Attachment& to() const { return to_; }

  /// Makes what this policy needs. Control thread, before the policy is published.
  void prepare(const Policy& policy);
  /// The seed from now on, of what prepare() makes; control thread. What there is takes it by reseed().
  void setSeed(std::uint64_t seed) { seed_ = seed; }

  /// Starts every random stream anew.
  void reseed(std::uint64_t seed) noexcept;
  /// The entry's policy holds from its instant on, if no later one does already. The policy lives as long as
  /// frames can come that were judged by it, or by one before it.
  void adopt(const RowEntry& entry) noexcept;
  /// Whether nothing shapes, holds or records a frame that was judged by this entry: then it need not be
  /// admitted.
  [[nodiscard]] bool passes(const RowEntry& entry) const noexcept {
    const bool shapes = entry.policy->shapes() || (policy_ != entry.policy && policy_->shapes());
    return !shapes && !holds() && !listeners.load(std::memory_order_relaxed);
  }
  /// Takes one reference to the frame, which was judged by this entry.
  void admit(Frame* frame, const RowEntry& entry) noexcept;
  /// Says to those who log fates that a frame ended before it was admitted; on the from-port's worker.
  void recordUnadmitted(const Frame& frame, const Ending& ending, std::uint16_t worker,
                        Instant at) const noexcept;
  /// Carries out the one event that is due next.
  void step() noexcept;
  /// Drops what waits and travels, counted as `flush`.
  void flush() noexcept;

  [[nodiscard]] Instant due() const noexcept { return due_; }
  /// Whether it keeps frames; those behind the end of a trace are never due.
  [[nodiscard]] bool holds() const noexcept;
  /// The order of departures: when due, then the key of the frame that is due.
  [[nodiscard]] bool before(const Path& other) const noexcept;

  PathAccount account;
  /// Who records its frames; nullptr for nobody. Replaced by the control thread, read by the workers of both
  /// ports.
  std::atomic<const Listeners*> listeners{nullptr};
  std::uint32_t place = Departures<Path>::nowhere;

 private:
  struct Shaping;

  void admitSegments(Frame* superFrame, FrameNote note) noexcept;
  void impair(Passage& passage) noexcept;
  void conclude(const Passage& passage, FrameNote note) noexcept;
  void sendTrain(const Segmenter& segmenter, std::uint32_t first, std::uint32_t end, FrameNote note) noexcept;
  void sendEach(const Segmenter& segmenter, std::uint32_t first, std::uint32_t end, FrameNote note) noexcept;
  void sendUnheld(Frame* frame, const FrameNote& note) noexcept;
  void replay(Passage& passage, FrameNote note) noexcept;
  void replayCopy(Frame* frame, const Fates::End& end, std::uint64_t rank, const FrameNote& note) noexcept;
  void send(Frame* frame, const FrameNote& note) noexcept;
  void offer(Shaper& shaper, Held* held, Instant at) noexcept;
  [[nodiscard]] Held* keep(Frame* frame, const FrameNote& note) noexcept;
  void admitToNetem(Frame* frame, FrameNote note) noexcept;
  void enterNetem(Frame* frame, bool clone, FrameNote note) noexcept;
  void queueInNetem(Frame* frame, bool beside, const FrameNote& note) noexcept;
  void conclude(const Outcome& outcome, Instant at) noexcept;
  void leave(Frame* frame, Duration delay, const FrameNote& note) noexcept;
  [[nodiscard]] bool mark(Frame*& frame) noexcept;
  [[nodiscard]] Frame* take(Held* held) noexcept;
  void drop(Frame* frame, const Ending& ending, const FrameNote& note) noexcept;
  void logDrop(const Ending& ending, const FrameNote& note, const Frame& frame,
               std::uint32_t length) const noexcept;
  void logArrival(const Listeners& all, const Frame& frame) const noexcept;
  void logDeparture(const Listeners& all, const FrameNote& note, const Frame& frame,
                    Duration delay) const noexcept;
  void refresh() noexcept;
  [[nodiscard]] Shaper* next() const noexcept;
  void shape(const Policy& before, Instant since) noexcept;
  [[nodiscard]] Shaping* shaping() const noexcept { return shaping_.load(std::memory_order_acquire); }
  [[nodiscard]] PathHost& host() const noexcept;

  bool met_ = false;  // whether a frame, or a trace, has met a policy
  Attachment& to_;
  Instant due_ = Instant::never();
  const Policy* policy_;                    // the one that holds
  std::uint64_t change_ = 0;                // the number of the change that brought it
  std::atomic<Shaping*> shaping_{nullptr};  // made once
  std::uint64_t seed_;
};
static_assert(sizeof(Path) <= 400, "what each of 100,000 paths costs that only let frames pass");

/// The seed of a path, from its engine's and the names that make it this path.
[[nodiscard]] std::uint64_t pathSeed(std::uint64_t engineSeed, std::string_view fabric, std::string_view from,
                                     std::string_view to);

}  // namespace etherloom
