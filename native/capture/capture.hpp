// A capture: what ports and paths saw, as pcapng, to one output. Listeners on ports and paths lead to it.
//
// Made on the control thread. record() belongs to the workers; pump() and finish() to the one thread that
// writes, which on a virtual clock is the control thread; the numbers may be read by any.
//
// Theory of operation. Each worker writes records into a ring of its own and never waits. pump() takes what
// is in all rings, sorts it by (time, frame, direction, interface) and writes it. What was recorded in the
// same instant of a virtual clock is all there when it is pumped, and one frame at one interface is always
// recorded by the same worker, so the bytes are the same for any number of workers. On a virtual clock
// nothing is lost either: what a ring has no room for lies behind it, as far as it will be written. On the
// real clock the sorting is as good as what came together.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "capture/pcapng.hpp"
#include "capture/record.hpp"
#include "os/clock.hpp"
#include "os/output.hpp"

namespace etherloom {

struct CaptureSettings {
  std::uint32_t snapLength = 0;    ///< bytes kept of a frame; 0 keeps all of it
  std::uint64_t count = 0;         ///< ends after so many frames; 0: no end of its own
  std::size_t buffer = 16u << 20;  ///< bytes of the ring of each worker
  bool patient = false;            ///< a virtual clock: nothing is ever lost
  Duration clockOrigin;            ///< what is added to an Instant for the times in the file
};

class Capture {
 public:
  enum class State : std::uint8_t { Running, Ended, Failed };

  [[nodiscard]] static Result<std::unique_ptr<Capture>> create(
      const CaptureSettings& settings, Output output, const std::vector<pcapng::Interface>& interfaces,
      std::size_t workers, Instant now);

  // ---- workers ----
  /// Notes a frame: `data` are its first `available` bytes, of `length`. The head's key and times are filled
  /// in by the caller.
  void record(std::uint16_t worker, CaptureRecord head, const std::uint8_t* data, std::uint32_t available,
              std::uint32_t length) noexcept;

  // ---- the thread that writes ----
  /// Writes what was recorded and what could not be written before. False when there is nothing left to do
  /// for now.
  bool pump();
  /// The last of it, and the end of the file. Waits for a slow reader, but not for long.
  void finish(Instant now);

  // ---- any ----
  [[nodiscard]] State state() const { return state_.load(std::memory_order_acquire); }
  /// The errno that ended it, when Failed.
  [[nodiscard]] int failure() const { return failure_; }
  [[nodiscard]] std::uint64_t frames() const { return frames_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t bytes() const { return bytes_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t lost() const;

 private:
  /// What one worker writes.
  struct Lane {
    Lane(RecordRing records, std::size_t interfaces) : ring(std::move(records)), lostSince(interfaces) {}
    RecordRing ring;
    std::vector<std::uint64_t> lostSince;  ///< by interface: since its last record
    std::vector<std::byte> behind;         ///< patient only: records after the ring's
    std::uint64_t recordsBehind = 0;
    std::atomic<std::uint64_t> lost{0};
  };

  Capture(const CaptureSettings& settings, Output output, std::size_t interfaces, Instant now);
  void emit(const CaptureRecord& record);
  /// Forgets what lies behind the ring and will not be written: all but the first frames that are wanted
  /// still.
  void trim(Lane& lane);
  void flush();
  void end(State state, int error);

  const CaptureSettings settings_;
  std::optional<Output> output_;
  std::vector<std::unique_ptr<Lane>> lanes_;
  struct Seen {
    std::uint64_t frames = 0, lost = 0;
  };
  std::vector<Seen> seen_;  // by interface
  const Instant started_;
  pcapng::Bytes pending_;
  std::size_t written_ = 0;  // of pending_
  std::vector<const CaptureRecord*> batch_;
  std::vector<std::byte> scratch_;
  std::string comment_;
  Instant lastAt_;  // of what was written
  std::atomic<std::uint64_t> frames_{0}, bytes_{0};
  int failure_ = 0;
  std::atomic<State> state_{State::Running};
};

/// The comment of a frame in a log of fates: `n=17 fate=dropped reason=loss stage=loss`. docs/reference/capture.md has
/// the grammar; lib/policy/replay/fates.ts reads it.
void writeFate(std::string& into, const CaptureRecord& record);

/// Who listens at a port or on a path: immutable, replaced whole after a grace period.
struct Listener {
  enum class Kind : std::uint8_t { Frames, OfferedAndLeaving, Fates };
  Capture* capture;
  std::uint32_t interface;
  Kind kind;
};
using Listeners = std::vector<Listener>;

/// Notes a frame for one listener.
void recordAt(const Listener& listener, std::uint16_t worker, Instant at, pcapng::Direction direction,
              const Frame& frame, const Fate& fate = {}) noexcept;
/// Notes a wire frame that was not cut out of its super-frame: by the headers they share.
void recordUncut(const Listener& listener, std::uint16_t worker, Instant at, const Frame& superFrame,
                 std::uint32_t length, const Fate& fate) noexcept;

}  // namespace etherloom
