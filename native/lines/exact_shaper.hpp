// The shaper of exact mode: a line, and then travel. Called by the path, on the worker of its to-port.
//
// Theory of operation. A frame leaves its line and sets out, or it leaves the path: each at its own instant.
// A trace gives the line its rate, or travel its delay, which is that of the instant at which a frame sets
// out.
#pragma once

#include "lines/line.hpp"
#include "lines/shaper.hpp"
#include "lines/trace.hpp"
#include "lines/travel.hpp"

namespace etherloom {

class ExactShaper final : public Shaper {
 public:
  explicit ExactShaper(std::uint64_t pathSeed) : line_(pathSeed) { reseed(pathSeed); }

  /// Starts every random stream anew.
  void reseed(std::uint64_t pathSeed) noexcept;
  /// Takes other settings from this instant on, also for the frames on the line. Frames that travel keep
  /// their departure. If there is no line any more, settle() empties it.
  void adopt(const LineSettings* line, const TravelSettings& travel, const TraceRun& run,
             Instant at) noexcept;
  /// Empties a line that is taken away. Its frames begin at once to travel, and leave the path when they
  /// would have left it anyway. Those that a stopped trace would never have served are dropped.
  void settle(Instant at) noexcept;

  std::optional<Ending> offer(Held* held, Instant at) noexcept override;
  /// Takes a frame that leaves the path at `due`, behind all others.
  void follow(Held* held, Instant due) noexcept { travel_.follow(held, due); }
  /// Takes a frame that leaves the path at `due`, whatever else is here.
  void overtake(Held* held, Instant due) noexcept { travel_.overtake(held, due); }
  /// The departure of the last of all frames so far; long ago where there were none.
  [[nodiscard]] Instant latest() const noexcept { return travel_.latest(); }

  Instant due() const noexcept override;
  const Held* head() const noexcept override;
  Outcome take() noexcept override;
  Outcome flush() noexcept override;

  /// Whether the wire frames of a super-frame would leave it one by one.
  [[nodiscard]] bool serves() const noexcept { return !line_.empty(); }
  std::size_t size() const noexcept override { return waiting() + travel_.size() + (line_.empty() ? 0 : 1); }
  std::uint64_t waiting() const noexcept override { return line_.waiting() + droppedFrames_; }
  std::uint64_t travelling() const noexcept override { return travel_.segments() + (line_.empty() ? 0 : 1); }

 private:
  void leaveLine() noexcept;
  void setOut(Held* held, Instant at) noexcept;
  [[nodiscard]] Outcome dropFirst() noexcept;

  Line line_;
  bool hasLine_ = false;  // whether the policy has one
  Travel travel_;
  TravelSettings settings_;
  StageState jitter_;
  StageState reorder_;
  TraceRun run_;
  Trace::Cursor delayCursor_;
  Chain<Held> dropped_;  // by the line's discipline or with the line, and still to be given up
  std::uint64_t droppedFrames_ = 0;
};

}  // namespace etherloom
