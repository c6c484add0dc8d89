#include "ports/vxlan_socket.hpp"

#include "ports/vxlan_port.hpp"

namespace etherloom {

VxlanSocket::VxlanSocket(Fd socket)
    : socket_(std::move(socket)),
      buffers_(std::make_unique_for_overwrite<std::uint8_t[]>(burstSize * stride)) {
  for (std::size_t index = 0; index < burstSize; ++index) {
    // Room for a byte more, so that one that is longer is no frame of a port instead of being cut.
    places_[index] = {buffers_.get() + index * stride, longestDatagram + 1};
    msghdr& in = incoming_[index].msg_hdr;
    in.msg_iov = &places_[index];
    in.msg_iovlen = 1;
    in.msg_name = &senders_[index];
  }
}

void VxlanSocket::close(Io& io) noexcept {
  io.forget(socket_.get());
  socket_.reset();
  more_ = false;
}

void VxlanSocket::poll() noexcept {
  for (unsigned calls = 0; more_ && calls < callsPerPoll; ++calls) {
    if (ports_.size() == 1 && ports_.begin()->second->hasBurst()) return;
    const int count = receive();
    if (count < 0) {  // nothing is there, or an error of something else than this socket, which is said once
      more_ = errno != EAGAIN;
      return;
    }
    bool enough = false;
    for (unsigned index = 0; index < static_cast<unsigned>(count); ++index)
      enough |= take({buffers_.get() + index * stride, incoming_[index].msg_len}, senders_[index]);
    more_ = count == burstSize;
    if (enough) return;
  }
}

int VxlanSocket::receive() noexcept {
  for (mmsghdr& message : incoming_) message.msg_hdr.msg_namelen = sizeof(sockaddr_storage);
  for (;;) {
    if (!ports_.empty()) ports_.begin()->second->polled();
    const int count = recvmmsg(socket_.get(), incoming_.data(), burstSize, MSG_DONTWAIT, nullptr);
    if (count >= 0 || errno != EINTR) return count;
  }
}

bool VxlanSocket::take(std::span<const std::uint8_t> bytes, const sockaddr_storage& sender) noexcept {
  const VxlanPacket packet = readVxlan(bytes);
  if (packet.kind == VxlanPacket::Kind::Frame) {
    const auto port = ports_.find(packet.vni);
    if (port != ports_.end()) return port->second->deliver(packet.frame, IpKey::of(sender));
  }
  Sequence::Update update(strays_.sequence);
  (packet.kind == VxlanPacket::Kind::TooShort     ? strays_.tooShort
   : packet.kind == VxlanPacket::Kind::WithoutVni ? strays_.withoutVni
                                                  : strays_.unknownVni)
      .add(1);
  return false;
}

}  // namespace etherloom
