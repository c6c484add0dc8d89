// Why a frame ended without being delivered: one table for both halves.
// lib/values/stats.ts holds the same names in the same order; test/contracts/tables.test.ts compares them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace etherloom {

enum class DropReason : std::uint8_t {
  Runt,         ///< shorter than an Ethernet header
  Oversize,     ///< longer than the port's limit or the line's burst
  NoBuffer,     ///< the engine's memory was used up
  PortFull,     ///< the receiving device or reader took no more
  PortDown,     ///< the port has no working device
  NotForUs,     ///< addressed to where it came from, or refused by writeback
  BadOffload,   ///< an offload header that contradicts its frame
  Storm,        ///< over the port's limit on broadcast, multicast or unknown traffic
  Unreachable,  ///< no path would carry it
  Reserved,     ///< a bridge's link-local group address, 01:80:C2:00:00:0x
  Filter,       ///< refused by the path's filter
  Loss,         ///< the path's loss
  Queue,        ///< the line's queue was full
  Aqm,          ///< dropped by the line's queue discipline
  Flush,        ///< was waiting when its path was flushed or went away
  HopLimit,     ///< crossed too many patch ports: the fabrics form a loop
  Vlan,         ///< in a VLAN that its port is not in, or without one where the port has none for it
  WrongPeer,    ///< sent to a socket by another than the port's peer
  NoFrame,      ///< bytes on a socket that are no frame, such as a keep-alive
  WorkerFull,   ///< more copies at once than the to-port's worker takes from another
  Count
};

inline constexpr std::size_t dropReasonCount = static_cast<std::size_t>(DropReason::Count);

inline constexpr std::array<std::string_view, dropReasonCount> dropReasonNames{
    "runt",  "oversize",    "no-buffer", "port-full",  "port-down", "not-for-us", "bad-offload",
    "storm", "unreachable", "reserved",  "filter",     "loss",      "queue",      "aqm",
    "flush", "hop-limit",   "vlan",      "wrong-peer", "no-frame",  "worker-full"};
static_assert(!dropReasonNames.back().empty(), "every drop reason has a name");

}  // namespace etherloom
