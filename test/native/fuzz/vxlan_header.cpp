// What anybody may send to the UDP port of a tunnel: a datagram of any bytes.
//
// The input is the datagram. The oracle reads it by the picture in RFC 7348, section 5, as one number of 64
// bits; and what we write before the frame ourselves must be read as it was meant.
#include "ports/vxlan_header.hpp"

#include "target.hpp"

using namespace etherloom;
using namespace etherloom::fuzz;

namespace {

void run(std::span<const std::uint8_t> input) {
  const std::vector<std::uint8_t> datagram = exactly(input);
  const VxlanPacket packet = readVxlan(datagram);
  if (datagram.size() < 8) {
    require(packet.kind == VxlanPacket::Kind::TooShort && packet.frame.empty());
    return;
  }
  std::uint64_t header = 0;
  for (std::size_t at = 0; at < 8; ++at) header = header << 8 | datagram[at];
  const bool hasVni = header >> 59 & 1;
  require(packet.kind == (hasVni ? VxlanPacket::Kind::Frame : VxlanPacket::Kind::WithoutVni));
  if (!hasVni) return;
  require(packet.vni == (header >> 8 & 0xffffff));
  require(packet.frame.data() == datagram.data() + 8 && packet.frame.size() == datagram.size() - 8);

  const VxlanHeader written = vxlanHeader(packet.vni);
  const VxlanPacket again = readVxlan(written);
  require(again.kind == VxlanPacket::Kind::Frame && again.vni == packet.vni && again.frame.empty());
}

const Target target("vxlan_header", run);

}  // namespace
