#include "os/packet_ring.hpp"

#include <sys/socket.h>

#include <utility>

namespace etherloom {

Result<PacketRing> PacketRing::create(const Fd& socket, std::uint32_t places) {
  const auto set = [&socket](int option, const auto& value) {
    return setsockopt(socket.get(), SOL_PACKET, option, &value, sizeof value) == 0;
  };
  const int version = TPACKET_V2;
  if (!set(PACKET_VERSION, version)) return Error::last("setsockopt PACKET_VERSION", "no receive ring");
  const tpacket_req shape{.tp_block_size = placeSize * placesPerBlock,
                          .tp_block_nr = places / placesPerBlock,
                          .tp_frame_size = placeSize,
                          .tp_frame_nr = places};
  if (!set(PACKET_RX_RING, shape)) return Error::last("setsockopt PACKET_RX_RING", "no receive ring");
  const int copyLongFrames = 1;
  Result<Mapping> memory = set(PACKET_COPY_THRESH, copyLongFrames)
                               ? Mapping::ofFile(socket, 0, std::size_t{places} * placeSize)
                               : Error::last("setsockopt PACKET_COPY_THRESH", "no receive ring");
  if (memory) return PacketRing(*std::move(memory), places);
  set(PACKET_RX_RING, tpacket_req{});  // or the socket would go on receiving into it
  return memory.error();
}

}  // namespace etherloom
