#include "ports/packet_port.hpp"

#include <cstring>

#include "frame/ethernet.hpp"

namespace etherloom {
namespace {

constexpr std::uint16_t defaultTagType = 0x8100;
constexpr std::uint32_t addressesLength = 12;  // a VLAN tag stands behind the two addresses

}  // namespace

PacketPort::PacketPort(PacketSocket socket, PacketDirection direction, std::uint32_t limit)
    : Port(limit, Offloads::All),
      socket_(std::move(socket.fd)),
      sender_(std::move(socket.sender)),
      ring_(std::move(socket.ring)),
      direction_(direction) {
  for (unsigned index = 0; index < burstSize; ++index) {
    msghdr& out = outgoing_[index].msg_hdr;
    out.msg_iov = parts_[index].data();
    out.msg_iovlen = parts_[index].size();
  }
  if (ring_) return;
  buffers_ = std::make_unique_for_overwrite<Buffer[]>(burstSize);
  for (unsigned index = 0; index < burstSize; ++index) {
    Buffer& buffer = buffers_[index];
    buffer.parts = {{{&buffer.header, sizeof buffer.header}, {buffer.frame.data(), buffer.frame.size()}}};
    msghdr& in = incoming_[index].msg_hdr;
    in.msg_name = &buffer.origin;
    in.msg_iov = buffer.parts.data();
    in.msg_iovlen = buffer.parts.size();
    in.msg_control = buffer.control.data();
  }
}

Result<void> PacketPort::open(Io& io, PortKey key) { return io.watch(key, socket_.get()); }

// ---- receiving ----

RxState PacketPort::receive(RxBurst& burst) noexcept {
  return ring_ ? receiveFromRing(burst) : receiveByCalls(burst);
}

RxState PacketPort::receiveFromRing(RxBurst& burst) noexcept {
  if (!ring_->front()) {  // ready for another reason
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &error, &size);
    return stopped(error);
  }
  for (unsigned left = burst.room(); left != 0; --left) {
    const tpacket2_hdr* place = ring_->front();
    if (!place) return RxState::Drained;
    take(*place, burst);
    ring_->pop();
    if (failure() != 0) return RxState::Failed;
  }
  return RxState::More;
}

void PacketPort::take(const tpacket2_hdr& place, RxBurst& burst) noexcept {
  // SAFETY: the kernel lays its address behind the place's header, and the virtio-net header before the
  // frame.
  const auto* start = reinterpret_cast<const std::uint8_t*>(&place);
  sockaddr_ll origin;
  std::memcpy(&origin, start + TPACKET_ALIGN(sizeof place), sizeof origin);
  const bool whole = place.tp_snaplen == place.tp_len;
  Description description;
  description.tag = tagOf(place.tp_status, place.tp_vlan_tpid, place.tp_vlan_tci);
  if (place.tp_status & TP_STATUS_COPY) return takeLong(wanted(origin.sll_pkttype), description, burst);
  if (!wanted(origin.sll_pkttype)) return;
  if (!whole) return burst.drops.add(DropReason::NoBuffer, 1);  // long, and the socket's buffer was full
  std::memcpy(&description.header, start + place.tp_mac - sizeof description.header,
              sizeof description.header);
  copy({start + place.tp_mac, place.tp_snaplen}, description, burst);
}

/// A frame that is longer than a place: the socket's next message, to be read in any case.
void PacketPort::takeLong(bool wanted, Description description, RxBurst& burst) noexcept {
  Frame* frame = wanted ? pool().acquire(BufferClass::Large) : nullptr;
  Frame& target = frame ? *frame : pool().scratch();
  const std::uint32_t restAt = addressesLength + (description.tag ? vlanTagLength : 0);
  std::array<iovec, 3> parts{{{&description.header, sizeof description.header},
                              {target.data, addressesLength},
                              {target.data + restAt, FramePool::largeCapacity - restAt}}};
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = parts.size();
  called();
  ssize_t got = recvmsg(socket_.get(), &message, MSG_DONTWAIT);
  if (got < 0 && errno == ENETDOWN && stopped(ENETDOWN) != RxState::Failed)  // said once, before the message
    got = recvmsg(socket_.get(), &message, MSG_DONTWAIT);

  if (wanted && got >= static_cast<ssize_t>(sizeof description.header + ethernetHeaderLength) &&
      !(message.msg_flags & MSG_TRUNC)) {
    target.length =
        static_cast<std::uint32_t>(got) - std::uint32_t{sizeof(VirtioHeader)} + restAt - addressesLength;
    return hand(frame, target, description, burst);
  }
  if (frame) pool().release(frame);
  if (wanted) burst.drops.add(got < 0 ? DropReason::BadOffload : DropReason::Oversize, 1);
}

RxState PacketPort::receiveByCalls(RxBurst& burst) noexcept {
  const unsigned room = burst.room();
  for (mmsghdr& message : std::span(incoming_).first(room)) {
    message.msg_hdr.msg_namelen = sizeof(sockaddr_ll);
    message.msg_hdr.msg_controllen = sizeof(Buffer::control);
  }
  int count;
  do {
    called();
    count = recvmmsg(socket_.get(), incoming_.data(), room, MSG_DONTWAIT, nullptr);
  } while (count < 0 && errno == EINTR);
  if (count < 0) return stopped(errno);
  const auto received = static_cast<unsigned>(count);
  for (unsigned index = 0; index < received; ++index)
    take(incoming_[index].msg_hdr, incoming_[index].msg_len, buffers_[index], burst);
  return received == room ? RxState::More : RxState::Drained;
}

void PacketPort::take(const msghdr& message, std::uint32_t length, const Buffer& buffer,
                      RxBurst& burst) noexcept {
  if (!wanted(buffer.origin.sll_pkttype)) return;
  if (message.msg_flags & MSG_TRUNC) return burst.drops.add(DropReason::Oversize, 1);
  Description description{buffer.header, std::nullopt};
  const cmsghdr* control = CMSG_FIRSTHDR(&message);
  if (control && control->cmsg_level == SOL_PACKET && control->cmsg_type == PACKET_AUXDATA) {
    tpacket_auxdata auxiliary;
    std::memcpy(&auxiliary, CMSG_DATA(control), sizeof auxiliary);
    description.tag = tagOf(auxiliary.tp_status, auxiliary.tp_vlan_tpid, auxiliary.tp_vlan_tci);
  }
  copy({buffer.frame.data(), length - sizeof buffer.header}, description, burst);
}

std::optional<PacketPort::VlanTag> PacketPort::tagOf(std::uint32_t status, std::uint16_t type,
                                                     std::uint16_t control) noexcept {
  if (!(status & TP_STATUS_VLAN_VALID)) return std::nullopt;
  return VlanTag{status & TP_STATUS_VLAN_TPID_VALID ? type : defaultTagType, control};
}

bool PacketPort::wanted(unsigned char packetType) const noexcept {
  const bool outgoing = packetType == PACKET_OUTGOING;
  return direction_ == PacketDirection::Both || outgoing == (direction_ == PacketDirection::Out);
}

void PacketPort::copy(std::span<const std::uint8_t> bytes, const Description& description,
                      RxBurst& burst) noexcept {
  if (bytes.size() < ethernetHeaderLength) return burst.drops.add(DropReason::Runt, 1);
  const std::uint32_t gap = description.tag ? vlanTagLength : 0;
  const auto length = static_cast<std::uint32_t>(bytes.size()) + gap;
  Frame* frame = pool().acquire(FramePool::classFor(length));
  Frame& target = frame ? *frame : pool().scratch();
  target.length = length;
  std::memcpy(target.data, bytes.data(), addressesLength);
  std::memcpy(target.data + addressesLength + gap, bytes.data() + addressesLength,
              bytes.size() - addressesLength);
  hand(frame, target, description, burst);
}

/// The end of every receive. `read` is `frame`, or the pool's scratch frame where there was no buffer: what
/// is lost then is counted as the wire frames it would have been.
void PacketPort::hand(Frame* frame, Frame& read, Description description, RxBurst& burst) noexcept {
  if (description.tag) {
    writeBig16(read.data + addressesLength, description.tag->type);
    writeBig16(read.data + addressesLength + 2, description.tag->control);
    description.header.csumStart = static_cast<std::uint16_t>(description.header.csumStart + vlanTagLength);
  }
  const bool sound = acceptOffload(read, description.header);
  if (frame && sound) return burst.add(frame);
  if (frame) pool().release(frame);
  if (sound) {
    burst.drops.add(DropReason::NoBuffer, read.offload.segments);
  } else {
    burst.drops.add(DropReason::BadOffload, 1);
  }
}

/// What an error says, 0 or EAGAIN among them. ENETDOWN is said once, when the interface goes down; it may
/// come up again.
RxState PacketPort::stopped(int error) noexcept {
  if (error == 0 || error == EAGAIN || (error == ENETDOWN && !gone())) return RxState::Drained;
  fail(error == ENETDOWN ? ENODEV : error);
  return RxState::Failed;
}

// ---- transmitting ----

void PacketPort::transmit(std::span<const TxItem> items) noexcept {
  std::size_t count = 0;
  for (const TxItem& item : items) {
    const Frame& frame = *item.frame;
    if (exceedsLimit(frame)) {
      dropped(item, DropReason::Oversize);
      continue;
    }
    items_[count] = item;
    // SAFETY: 12 bytes of virtio-net header stand before every frame; a packet socket wants the first 10.
    parts_[count] = {{{frame.data - virtioHeaderLength, sizeof(VirtioHeader)}, {frame.data, frame.length}}};
    if (++count == burstSize) send(std::exchange(count, 0));
  }
  send(count);
}

/// sendmmsg ends at the first message that is refused: that one is dropped, and it goes on with the next.
void PacketPort::send(std::size_t count) noexcept {
  const int sender = (sender_ ? sender_ : socket_).get();
  for (std::size_t done = 0; done < count;) {
    if (failure() != 0) return refuse({items_.data() + done, count - done}, DropReason::PortDown);
    called();
    const int accepted =
        sendmmsg(sender, outgoing_.data() + done, static_cast<unsigned>(count - done), MSG_DONTWAIT);
    if (accepted < 0 && errno == EINTR) continue;
    if (accepted < 0) {
      dropped(items_[done++], refusal(errno));
      continue;
    }
    const auto whole = static_cast<std::size_t>(accepted);
    sent({items_.data() + done, whole});
    done += whole;
  }
}

/// Why the kernel took no frame. An interface that is down may come up again; one that is gone ends the port.
DropReason PacketPort::refusal(int error) noexcept {
  switch (error) {
    case EAGAIN:
    case ENOBUFS:
    case ENOMEM:
      return DropReason::PortFull;
    case EMSGSIZE:
      return DropReason::Oversize;
    case EINVAL:  // of this frame alone
      return DropReason::BadOffload;
    case ENXIO:
    case ENODEV:
      fail(ENODEV);
      return DropReason::PortDown;
    case ENETDOWN:
      if (gone()) fail(ENODEV);
      return DropReason::PortDown;
    default:
      return DropReason::PortDown;
  }
}

/// A socket whose interface has vanished is bound to none.
bool PacketPort::gone() noexcept {
  sockaddr_ll bound{};
  socklen_t size = sizeof bound;
  // SAFETY: the kernel writes as many bytes as the family has, at most `size`.
  if (getsockname(socket_.get(), reinterpret_cast<sockaddr*>(&bound), &size) != 0) return true;
  return bound.sll_ifindex <= 0;
}

}  // namespace etherloom
