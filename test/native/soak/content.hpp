// Frames that show by themselves whether they are as they were sent: numbered ones, and those of TCP and UDP.
// Called on any thread; nothing here uses the code under test.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "../frame_fixtures.hpp"

namespace etherloom::soak {

using Address = std::array<std::uint8_t, 6>;

inline constexpr Address everybody{0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
constexpr Address station(unsigned number) {
  return {0x02, 0x50, 0, 0, 0, static_cast<std::uint8_t>(number)};
}
constexpr Address group(unsigned number) { return {0x33, 0x33, 0, 0, 0, static_cast<std::uint8_t>(number)}; }

/// A frame of which every byte follows from these.
struct Numbered {
  static constexpr std::uint32_t shortest = 38;  ///< bytes

  Address to{}, from{};
  std::uint64_t number = 0;
  std::uint32_t length = shortest;     ///< without a tag, up to 64 KiB
  std::optional<std::uint16_t> tag{};  ///< the control word of one
};
/// Writes the frame; how long it is, with its tag.
std::uint32_t write(const Numbered& frame, std::uint8_t* into);

/// A frame of this shape, as IpFrame builds it: its payload follows from the sequence numbers where it is
/// TCP.
Bytes build(const IpFrame& shape);

/// What is wrong with a frame of ours, or of a GeneratorPort; nullptr where nothing is. `complete`: its
/// checksums are done. Frames of other types, which are short ones of ours, are not judged.
const char* faultOf(std::span<const std::uint8_t> bytes, bool complete) noexcept;

}  // namespace etherloom::soak
