#include "capture/pcapng.hpp"

#include <bit>
#include <cstring>

namespace etherloom::pcapng {
namespace {

static_assert(std::endian::native == std::endian::little, "blocks are written as they lie in memory");

constexpr std::uint16_t ethernet = 1;  // LINKTYPE_ETHERNET
constexpr std::uint16_t comment = 1;   // options of any block

template <typename Value>
void put(Bytes& out, Value value) {
  const auto* bytes = reinterpret_cast<const std::byte*>(&value);
  out.insert(out.end(), bytes, bytes + sizeof value);
}

void pad(Bytes& out) { out.resize((out.size() + 3) & ~std::size_t{3}); }

/// Times are two halves, the upper first, whatever the byte order.
void putTime(Bytes& out, std::int64_t at) {
  put(out, static_cast<std::uint32_t>(static_cast<std::uint64_t>(at) >> 32));
  put(out, static_cast<std::uint32_t>(at));
}

void putOption(Bytes& out, std::uint16_t code, std::string_view value, std::string_view prefix = {}) {
  put(out, code);
  put(out, static_cast<std::uint16_t>(prefix.size() + value.size()));
  for (const std::string_view part : {prefix, value}) {
    const auto* bytes = reinterpret_cast<const std::byte*>(part.data());
    out.insert(out.end(), bytes, bytes + part.size());
  }
  pad(out);
}

template <typename Value>
void putNumberOption(Bytes& out, std::uint16_t code, Value value) {
  put(out, code);
  put(out, static_cast<std::uint16_t>(sizeof value));
  put(out, value);
  pad(out);
}

void putTimeOption(Bytes& out, std::uint16_t code, std::int64_t at) {
  put(out, code);
  put(out, std::uint16_t{8});
  putTime(out, at);
}

void endOptions(Bytes& out) { put(out, std::uint32_t{0}); }

/// A block around what `body` puts: its type, and its length at both ends.
template <typename Body>
void block(Bytes& out, std::uint32_t type, Body&& body) {
  const std::size_t start = out.size();
  put(out, type);
  put(out, std::uint32_t{0});
  body();
  const auto length = static_cast<std::uint32_t>(out.size() + sizeof(std::uint32_t) - start);
  put(out, length);
  std::memcpy(&out[start + sizeof type], &length, sizeof length);
}

}  // namespace

void writeSection(Bytes& out) {
  block(out, 0x0a0d0d0a, [&] {
    put(out, std::uint32_t{0x1a2b3c4d});
    put(out, std::uint16_t{1});  // version 1.0
    put(out, std::uint16_t{0});
    put(out, std::int64_t{-1});      // the section's length is not known yet
    putOption(out, 4, "etherloom");  // shb_userappl
    endOptions(out);
  });
}

void writeInterface(Bytes& out, const Interface& interface, std::uint32_t snapLength) {
  block(out, 1, [&] {
    put(out, ethernet);
    put(out, std::uint16_t{0});
    put(out, snapLength);
    putOption(out, 2, interface.name);
    if (!interface.description.empty()) putOption(out, 3, interface.description);
    putNumberOption(out, 9, std::uint8_t{9});  // if_tsresol: nanoseconds
    if (!interface.filter.empty()) putOption(out, 11, interface.filter, std::string_view("\0", 1));
    endOptions(out);
  });
}

void writePacket(Bytes& out, const Packet& packet) {
  block(out, 6, [&] {
    put(out, packet.interface);
    putTime(out, packet.at);
    put(out, static_cast<std::uint32_t>(packet.bytes.size()));
    put(out, packet.length);
    out.insert(out.end(), packet.bytes.begin(), packet.bytes.end());
    pad(out);
    if (!packet.comment.empty()) putOption(out, comment, packet.comment);
    putNumberOption(out, 2, static_cast<std::uint32_t>(packet.direction));
    if (packet.lostBefore != 0) putNumberOption(out, 4, packet.lostBefore);
    endOptions(out);
  });
}

void writeStatistics(Bytes& out, const InterfaceStatistics& statistics) {
  block(out, 5, [&] {
    put(out, statistics.interface);
    putTime(out, statistics.end);
    putTimeOption(out, 2, statistics.start);
    putTimeOption(out, 3, statistics.end);
    putNumberOption(out, 4, statistics.received);
    putNumberOption(out, 5, statistics.lost);
    endOptions(out);
  });
}

}  // namespace etherloom::pcapng
