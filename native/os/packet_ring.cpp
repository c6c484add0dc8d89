#include "os/packet_ring.hpp"

#include <sys/socket.h>

#include <utility>

namespace etherloom {

Result<PacketRing> PacketRing::create(const Fd& socket, std::uint32_t slots) {
  const auto set = [&socket](int option, const auto& value) {
    return setsockopt(socket.get(), SOL_PACKET, option, &value, sizeof value) == 0;
  };
  const int version = TPACKET_V2;
  if (!set(PACKET_VERSION, version)) return Error::last("setsockopt PACKET_VERSION", "no receive ring");
  const tpacket_req shape{.tp_block_size = slotSize * slotsPerBlock,
                          .tp_block_nr = slots / slotsPerBlock,
                          .tp_frame_size = slotSize,
                          .tp_frame_nr = slots};
  if (!set(PACKET_RX_RING, shape)) return Error::last("setsockopt PACKET_RX_RING", "no receive ring");
  const int copyLongFrames = 1;
  Result<Mapping> memory = set(PACKET_COPY_THRESH, copyLongFrames)
                               ? Mapping::ofFile(socket, 0, std::size_t{slots} * slotSize)
                               : Error::last("setsockopt PACKET_COPY_THRESH", "no receive ring");
  if (memory) return PacketRing(*std::move(memory), slots);
  set(PACKET_RX_RING, tpacket_req{});  // or the socket would go on receiving into it
  return memory.error();
}

}  // namespace etherloom
