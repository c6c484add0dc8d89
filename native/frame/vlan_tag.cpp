#include "frame/vlan_tag.hpp"

#include <cstring>

#include "frame/offload.hpp"

namespace etherloom {
namespace {

constexpr std::size_t addressesLength = 12;

/// Moves the two addresses, and the virtio-net header before them, by the length of a tag.
void moveHead(Frame& frame, std::int32_t by) noexcept {
  // SAFETY: the virtio-net header stands directly before the bytes of every frame; pushTag() has seen that
  // there is room before it.
  std::uint8_t* head = frame.data - virtioHeaderLength;
  std::memmove(head + by, head, virtioHeaderLength + addressesLength);
  frame.data += by;
  frame.length = static_cast<std::uint32_t>(static_cast<std::int64_t>(frame.length) - by);
  if (isPlain(frame)) return;
  Offload& offload = frame.offload;
  offload.csumStart = static_cast<std::uint16_t>(offload.csumStart - by);
  if (isSuperFrame(frame)) offload.headerLength = static_cast<std::uint16_t>(offload.headerLength - by);
  writeVirtioHeader(frame);
}

}  // namespace

bool pushTag(Frame& frame, std::uint16_t control) noexcept {
  const auto* start = reinterpret_cast<const std::uint8_t*>(&frame + 1);  // of the buffer
  constexpr std::ptrdiff_t needed{virtioHeaderLength + vlanTagLength};
  if (frame.data - start < needed) return false;
  moveHead(frame, -static_cast<std::int32_t>(vlanTagLength));
  writeBig16(frame.data + addressesLength, customerTag);
  setTag(frame, control);
  return true;
}

void popTag(Frame& frame) noexcept { moveHead(frame, static_cast<std::int32_t>(vlanTagLength)); }

}  // namespace etherloom
