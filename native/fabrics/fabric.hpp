// The contract of a fabric: for each frame of a burst, where should it go?
//
// decide() is const and runs on the worker of the from-port, on any number of workers at once. What it learns
// goes into a log; the fabric's home worker, its one writer, applies the log through learn() after the burst.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "frame/batch.hpp"
#include "frame/episode.hpp"

namespace etherloom {

/// A port's place in its fabric. Given out again only after forget() and a grace period.
enum class Seat : std::uint32_t {};

/// Where a frame should go, as far as addresses tell: nowhere, to all other ports, or to one. Whether the
/// pair of ports lets it pass is decided after that, by the policy of its path (pipeline/pipeline.cpp).
class Verdict {
 public:
  static constexpr Verdict flood() { return Verdict(~std::uint32_t{0}); }
  static constexpr Verdict drop(DropReason reason) {
    return Verdict(dropBase + static_cast<std::uint32_t>(reason));
  }
  static constexpr Verdict to(Seat seat) { return Verdict(static_cast<std::uint32_t>(seat)); }

  constexpr Verdict() = default;
  [[nodiscard]] constexpr bool floods() const { return value_ == ~std::uint32_t{0}; }
  [[nodiscard]] constexpr bool drops() const { return value_ >= dropBase && !floods(); }
  [[nodiscard]] constexpr DropReason reason() const { return static_cast<DropReason>(value_ - dropBase); }
  [[nodiscard]] constexpr Seat seat() const { return static_cast<Seat>(value_); }
  constexpr bool operator==(const Verdict&) const = default;

 private:
  static constexpr std::uint32_t dropBase = 0xffff0000;
  explicit constexpr Verdict(std::uint32_t value) : value_(value) {}
  std::uint32_t value_ = ~std::uint32_t{0};
};

/// An address to remember: MAC and VLAN, and the port it was seen on.
struct AddressKey {
  std::uint64_t value = 0;  ///< VLAN identifier in the upper 16 bits, MAC address in the lower 48
  static constexpr AddressKey of(std::uint64_t mac, std::uint16_t vlan) {
    return {std::uint64_t{vlan} << 48 | mac};
  }
  bool operator==(const AddressKey&) const = default;
};

struct Learned {
  AddressKey address;
  Seat seat{};
  Instant at;
};

/// What one burst taught: at most one entry per frame.
class LearnLog {
 public:
  void add(const Learned& learned) noexcept { entries_[count_++] = learned; }
  [[nodiscard]] std::span<const Learned> entries() const { return {entries_.data(), count_}; }

 private:
  std::array<Learned, burstSize> entries_;
  std::size_t count_ = 0;
};

/// A learned address that showed up on another port.
struct AddressMove {
  AddressKey address;
  Seat from{};
  Seat to{};
  bool flaps = false;  ///< and has done so again and again: more of it is not told until that ends
};

/// One line of `show addresses`.
struct AddressRow {
  AddressKey address;
  Seat seat{};
  Duration age;
};

class Fabric {
 public:
  virtual ~Fabric() = default;

  /// One verdict per frame. Frames are at least 14 bytes long. `vlans` has the VLAN of each where the ports
  /// have VLANs; else it is empty, and a frame's tag says. Never allocates or blocks.
  virtual void decide(Seat from, std::span<Frame* const> frames, std::span<const std::uint16_t> vlans,
                      Instant now, std::span<Verdict> verdicts, LearnLog& log) const noexcept = 0;

  /// Home worker only. Reports addresses that moved to another port, as far as it is worth telling.
  virtual void learn(std::span<const Learned>, const std::function<void(const AddressMove&)>&) {}
  /// Home worker only: the port of this seat is gone, and what was learned from it.
  virtual void forget(Seat) {}
  /// Addresses that can flap at a time.
  [[nodiscard]] virtual std::size_t mostFlapping() const { return 0; }
  /// Control thread: ends the flapping of an address, if it has not moved after `until`.
  virtual EpisodeState endFlapping(AddressKey, Instant) { return {}; }
  /// Any thread: what is known now.
  [[nodiscard]] virtual std::vector<AddressRow> addresses(Instant) const { return {}; }
};

}  // namespace etherloom
