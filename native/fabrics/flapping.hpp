// Addresses of a switch that move between its ports again and again, as they do when it is wired into a loop:
// when that begins, and how many moves are told one by one. Written by the fabric's home worker; end() is for
// the control thread.
//
// Theory of operation. A move is looked up in a small table by the hash of its address, so that it costs the
// same however many addresses move. A place belongs to one address for a second, and while that flaps until
// it is over; of addresses that share a place the others are not named.
#pragma once

#include <array>
#include <cstdint>

#include "fabrics/fabric.hpp"
#include "frame/allowance.hpp"
#include "frame/episode.hpp"

namespace etherloom {

class Flapping {
 public:
  /// An address flaps from the so manieth move within a second on, until it has not moved for a time that the
  /// control thread chooses.
  static constexpr std::uint32_t moves = 5;
  static constexpr Duration within{1'000'000'000};
  /// Moves that are told one by one.
  static constexpr Pace told = Pace::perSecond(100, Duration{1'000'000'000});
  static constexpr std::size_t places = 64;  ///< in the table: so many can flap, and be named, at a time

  /// What there is to tell of a move.
  enum class News : std::uint8_t { None, Moved, Flaps };

  [[nodiscard]] News moved(AddressKey address, Instant now) noexcept {
    Place& place = placeOf(address);
    const bool flaps = place.episode.goesOn();
    if (!flaps && now - place.since >= within) {
      place.address = address;
      place.since = now;
      place.count = 0;
    }
    if (place.address != address) return tell(now);
    if (!flaps && ++place.count < moves) return tell(now);
    const std::uint32_t hits = flaps ? 1 : place.count;
    return place.episode.note(now, hits, hits) ? News::Flaps : News::None;
  }

  /// Control thread: ends what was told of this address, if it has not moved after `until`.
  EpisodeState end(AddressKey address, Instant until) noexcept { return placeOf(address).episode.end(until); }

 private:
  struct Place {
    AddressKey address;
    Instant since = Instant::longAgo();  // of the first move that counts
    std::uint32_t count = 0;
    Episode episode;
  };

  [[nodiscard]] Place& placeOf(AddressKey address) noexcept {
    constexpr std::uint64_t golden = 0x9e3779b97f4a7c15;  // multiplicative hashing, by the golden ratio
    return table_[address.value * golden >> 58];
  }
  [[nodiscard]] News tell(Instant now) noexcept {
    return allowance_.take(told, now) ? News::Moved : News::None;
  }

  std::array<Place, places> table_;
  Allowance allowance_;
};
static_assert(Flapping::places == 1U << (64 - 58));

}  // namespace etherloom
