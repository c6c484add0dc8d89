// Instants and durations, and the one clock of an engine. Nothing below the worker reads a clock: time is an
// argument.
#pragma once

#include <compare>
#include <cstdint>
#include <ctime>
#include <limits>

namespace etherloom {

inline constexpr std::uint64_t nanosecondsPerSecond = 1'000'000'000;

/// A span of time in nanoseconds. Sums and differences end at the longest there is, they never wrap around.
struct Duration {
  std::int64_t nanoseconds = 0;

  auto operator<=>(const Duration&) const = default;
  friend constexpr Duration operator+(Duration a, Duration b) {
    std::int64_t sum = 0;
    if (__builtin_add_overflow(a.nanoseconds, b.nanoseconds, &sum)) return extreme(b.nanoseconds > 0);
    return {sum};
  }
  friend constexpr Duration operator-(Duration a, Duration b) {
    std::int64_t difference = 0;
    if (__builtin_sub_overflow(a.nanoseconds, b.nanoseconds, &difference)) return extreme(b.nanoseconds < 0);
    return {difference};
  }
  friend constexpr Duration operator-(Duration a) { return Duration{} - a; }

  static constexpr Duration extreme(bool positive) {
    using Limits = std::numeric_limits<std::int64_t>;
    return {positive ? Limits::max() : Limits::min()};
  }
};

/// Longer than any wait.
inline constexpr Duration forever = Duration::extreme(true);

/// A point on an engine's clock, in nanoseconds since that clock's origin. The first and the last of all
/// stand for "long ago" and "never": nothing that is added to them or taken from them makes another instant
/// of them, and what lies too far ahead is never.
struct Instant {
  std::int64_t nanoseconds = 0;

  auto operator<=>(const Instant&) const = default;
  friend constexpr Instant operator+(Instant a, Duration b) {
    if (a == never() || a == longAgo()) return a;
    return {(Duration{a.nanoseconds} + b).nanoseconds};
  }
  friend constexpr Instant operator-(Instant a, Duration b) { return a + -b; }
  friend constexpr Duration operator-(Instant a, Instant b) {
    return Duration{a.nanoseconds} - Duration{b.nanoseconds};
  }

  static constexpr Instant never() { return {forever.nanoseconds}; }
  static constexpr Instant longAgo() { return {Duration::extreme(false).nanoseconds}; }
};

/// What is added to an Instant of a real clock for the time of day, in nanoseconds since 1970.
[[nodiscard]] inline Duration timeOfDayOrigin() {
  timespec wall{}, monotonic{};
  clock_gettime(CLOCK_REALTIME, &wall);
  clock_gettime(CLOCK_MONOTONIC, &monotonic);
  return {(wall.tv_sec - monotonic.tv_sec) * 1'000'000'000LL + wall.tv_nsec - monotonic.tv_nsec};
}

/// The clock of one engine: CLOCK_MONOTONIC, or an instant that only `advance` moves.
/// Thread: a real clock from any; a virtual one only from the thread that advances it.
class Clock {
 public:
  enum class Kind : std::uint8_t { Real, Virtual };

  explicit Clock(Kind kind) : kind_(kind) {}

  [[nodiscard]] bool isVirtual() const { return kind_ == Kind::Virtual; }
  [[nodiscard]] Instant now() const {
    if (isVirtual()) return virtualNow_;
    timespec time{};
    clock_gettime(CLOCK_MONOTONIC, &time);
    return {time.tv_sec * 1'000'000'000LL + time.tv_nsec};
  }
  /// Virtual clock only; never backwards.
  void moveTo(Instant instant) { virtualNow_ = instant; }

 private:
  Kind kind_;
  Instant virtualNow_{};
};

}  // namespace etherloom
