#include "ports/packet_port.hpp"

#include <algorithm>
#include <cstring>
#include <optional>

#include "frame/checksum.hpp"
#include "frame/ethernet.hpp"

namespace etherloom {
namespace {

constexpr std::uint16_t defaultTagType = 0x8100;

struct VlanTag {
  std::uint16_t type;
  std::uint16_t control;
};

/// The tag that the kernel took out of the frame.
std::optional<VlanTag> tagOf(const msghdr& message) {
  const cmsghdr* control = CMSG_FIRSTHDR(&message);
  if (!control || control->cmsg_level != SOL_PACKET || control->cmsg_type != PACKET_AUXDATA)
    return std::nullopt;
  tpacket_auxdata auxiliary;
  std::memcpy(&auxiliary, CMSG_DATA(control), sizeof auxiliary);
  if (!(auxiliary.tp_status & TP_STATUS_VLAN_VALID)) return std::nullopt;
  const bool typeKnown = auxiliary.tp_status & TP_STATUS_VLAN_TPID_VALID;
  return VlanTag{typeKnown ? auxiliary.tp_vlan_tpid : defaultTagType, auxiliary.tp_vlan_tci};
}

/// Puts a tag behind the addresses, which move to the front by its length.
void insertTag(Frame& frame, VlanTag tag) {
  constexpr std::uint32_t addressesLength = 12;
  frame.data -= vlanTagLength;
  frame.length += vlanTagLength;
  std::memmove(frame.data, frame.data + vlanTagLength, addressesLength);
  writeBig16(frame.data + addressesLength, tag.type);
  writeBig16(frame.data + addressesLength + 2, tag.control);
  frame.offload.csumStart = static_cast<std::uint16_t>(frame.offload.csumStart + vlanTagLength);
}

}  // namespace

PacketPort::PacketPort(Fd socket, PacketDirection direction, std::uint32_t limit)
    : Port(limit),
      socket_(std::move(socket)),
      direction_(direction),
      arrivals_(std::make_unique_for_overwrite<Arrival[]>(burstSize)) {
  static constexpr VirtioHeader plain{};
  for (unsigned index = 0; index < burstSize; ++index) {
    Arrival& arrival = arrivals_[index];
    arrival.parts = {
        {{&arrival.header, sizeof arrival.header}, {arrival.frame.data(), arrival.frame.size()}}};
    msghdr& in = incoming_[index].msg_hdr;
    in.msg_name = &arrival.origin;
    in.msg_iov = arrival.parts.data();
    in.msg_iovlen = arrival.parts.size();
    in.msg_control = arrival.control.data();
    // SAFETY: the kernel only reads what a message to send points to.
    parts_[index][0] = {const_cast<VirtioHeader*>(&plain), sizeof plain};
    msghdr& out = outgoing_[index].msg_hdr;
    out.msg_iov = parts_[index].data();
    out.msg_iovlen = parts_[index].size();
  }
}

Result<void> PacketPort::open(Io& io, PortKey key) { return io.watch(key, socket_.get()); }

void PacketPort::close(Io& io) noexcept {
  io.forget(socket_.get());
  socket_.reset();
}

// ---- receiving ----

RxState PacketPort::receive(RxBurst& burst) noexcept {
  if (segmenter_.done() && unpacked_ == received_) {
    if (const RxState state = fetch(); state != RxState::More) return state;
  }
  while (burst.room() != 0) {
    if (!segmenter_.done()) {
      cut(burst);
    } else if (unpacked_ != received_) {
      const mmsghdr& message = incoming_[unpacked_];
      unpack(message.msg_hdr, message.msg_len, arrivals_[unpacked_], burst);
      ++unpacked_;
    } else {
      return received_ == burstSize ? RxState::More : RxState::Drained;
    }
  }
  return RxState::More;
}

/// Fills the arrivals. ENETDOWN is said once, when the interface goes down; it may come up again.
RxState PacketPort::fetch() noexcept {
  for (mmsghdr& message : incoming_) {
    message.msg_hdr.msg_namelen = sizeof(sockaddr_ll);
    message.msg_hdr.msg_controllen = sizeof(Arrival::control);
  }
  unpacked_ = received_ = 0;
  int count;
  do {
    count = recvmmsg(socket_.get(), incoming_.data(), burstSize, MSG_DONTWAIT, nullptr);
  } while (count < 0 && errno == EINTR);
  if (count >= 0) {
    received_ = static_cast<unsigned>(count);
    return RxState::More;
  }
  const int error = errno;
  if (error == EAGAIN || (error == ENETDOWN && !gone())) return RxState::Drained;
  fail(error == ENETDOWN ? ENODEV : error);
  return RxState::Failed;
}

void PacketPort::unpack(const msghdr& message, std::uint32_t length, Arrival& arrival,
                        RxBurst& burst) noexcept {
  const bool outgoing = arrival.origin.sll_pkttype == PACKET_OUTGOING;
  if (direction_ != PacketDirection::Both && outgoing != (direction_ == PacketDirection::Out)) return;
  if (message.msg_flags & MSG_TRUNC) return burst.drops.add(DropReason::Oversize, 1);

  whole_.data = arrival.frame.data();
  whole_.length = length - static_cast<std::uint32_t>(sizeof arrival.header);
  whole_.offload = arrival.header.claims();
  // SAFETY: headRoom stands directly before the frame.
  if (const auto tag = tagOf(message)) insertTag(whole_, *tag);

  if (whole_.offload.gsoType != static_cast<std::uint8_t>(GsoType::None)) {
    if (!segmenter_.start(whole_)) burst.drops.add(DropReason::BadOffload, 1);
    return;
  }
  if (!completeChecksum(whole_)) return burst.drops.add(DropReason::BadOffload, 1);
  Frame* frame =
      pool().acquire(whole_.length <= FramePool::smallCapacity ? BufferClass::Small : BufferClass::Large);
  if (!frame) return burst.drops.add(DropReason::NoBuffer, 1);
  std::memcpy(frame->data, whole_.data, whole_.length);
  frame->length = whole_.length;
  burst.add(frame);
}

/// The next segment of the super-frame at hand.
void PacketPort::cut(RxBurst& burst) noexcept {
  if (Frame* segment = segmenter_.next(pool())) {
    burst.add(segment);
  } else {
    burst.drops.add(DropReason::NoBuffer, 1);
  }
}

// ---- transmitting ----

void PacketPort::transmit(std::span<const TxItem> items) noexcept {
  std::size_t count = 0;
  for (const TxItem& item : items) {
    if (item.frame->length > limit()) {
      dropped(item, DropReason::Oversize);
      continue;
    }
    items_[count] = item;
    parts_[count][1] = {item.frame->data, item.frame->length};
    if (++count == burstSize) send(std::exchange(count, 0));
  }
  send(count);
}

/// sendmmsg ends at the first message that is refused: that one is dropped, and it goes on with the next.
void PacketPort::send(std::size_t count) noexcept {
  for (std::size_t done = 0; done < count;) {
    if (failure() != 0) return refuse({items_.data() + done, count - done}, DropReason::PortDown);
    const int accepted =
        sendmmsg(socket_.get(), outgoing_.data() + done, static_cast<unsigned>(count - done), MSG_DONTWAIT);
    if (accepted < 0 && errno == EINTR) continue;
    if (accepted < 0) dropped(items_[done++], refusal(errno));
    for (int index = 0; index < accepted; ++index) sent(items_[done++]);
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
