// Writes pcapng blocks (IETF draft-ietf-opsawg-pcapng) to the end of a vector of bytes: little-endian,
// Ethernet, times in nanoseconds. Called by captures, on the thread that writes them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace etherloom::pcapng {

using Bytes = std::vector<std::byte>;

/// Which way a frame went, as bits 0 and 1 of epb_flags say it.
enum class Direction : std::uint8_t { Unknown = 0, In = 1, Out = 2 };

struct Interface {
  std::string name;         ///< if_name
  std::string description;  ///< if_description
  std::string filter;       ///< if_filter: the expression; empty without one
};

struct Packet {
  std::uint32_t interface = 0;
  std::int64_t at = 0;  ///< nanoseconds since 1970, or since the start of a virtual clock
  std::span<const std::byte> bytes;
  std::uint32_t length = 0;  ///< of the whole frame
  Direction direction = Direction::Unknown;
  std::uint64_t lostBefore =
      0;                     ///< epb_dropcount: frames of the interface not recorded since the packet before
  std::string_view comment;  ///< none when empty
};

struct InterfaceStatistics {
  std::uint32_t interface = 0;
  std::int64_t start = 0, end = 0;  ///< as Packet::at
  std::uint64_t received = 0;       ///< frames seen, recorded or not
  std::uint64_t lost = 0;           ///< frames not recorded
};

void writeSection(Bytes& out);
/// `snapLength`: bytes kept of a frame, 0 for all of it.
void writeInterface(Bytes& out, const Interface& interface, std::uint32_t snapLength);
void writePacket(Bytes& out, const Packet& packet);
void writeStatistics(Bytes& out, const InterfaceStatistics& statistics);

}  // namespace etherloom::pcapng
