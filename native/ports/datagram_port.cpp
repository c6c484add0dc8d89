#include "ports/datagram_port.hpp"

#include <cstring>
#include <string_view>

namespace etherloom {
namespace {

/// What OpenVPN sends to keep a connection alive (ping.c, ping_string).
constexpr std::array<std::uint8_t, 16> ping{0x2a, 0x18, 0x7b, 0xf3, 0x64, 0x1e, 0xb4, 0xcb,
                                            0x07, 0xed, 0x2d, 0x0a, 0x98, 0x1f, 0xc7, 0x48};
/// What vfkit and libkrun say first.
constexpr std::array<std::uint8_t, 4> greeting{'V', 'F', 'K', 'T'};

/// What frames are filled with; the kernel only reads it.
std::array<std::uint8_t, Port::paddedLength> zeros{};

bool isSame(std::span<const std::uint8_t> bytes, std::span<const std::uint8_t> other) {
  return bytes.size() == other.size() && std::memcmp(bytes.data(), other.data(), other.size()) == 0;
}

/// One byte more than a frame may have, in an odd number of cache lines, or the first bytes of all buffers
/// would compete for the same few places in the cache.
constexpr std::size_t strideFor(std::uint32_t limit) { return ((limit + 64) / 64 | 1) * 64; }

}  // namespace

DatagramPort::DatagramPort(Fd socket, Settings settings)
    : Port(settings.limit),
      socket_(std::move(socket)),
      sender_(std::move(settings.sender)),
      control_(std::move(settings.control)),
      pad_(settings.pad),
      type_(settings.type),
      connected_(settings.connected),
      peer_(settings.peer),
      stride_(strideFor(settings.limit)),
      buffers_(std::make_unique_for_overwrite<std::uint8_t[]>(burstSize * stride_)) {
  int family = 0;
  socklen_t size = sizeof family;
  getsockopt(socket_.get(), SOL_SOCKET, SO_DOMAIN, &family, &size);
  local_ = family == AF_UNIX;
  if (sender_) own_ = SocketAddress::boundTo(sender_);
  for (std::size_t index = 0; index < burstSize; ++index) {
    places_[index] = {buffers_.get() + index * stride_, stride_};
    msghdr& in = incoming_[index].msg_hdr;
    in.msg_iov = &places_[index];
    in.msg_iovlen = 1;
    if (!connected_) in.msg_name = &senders_[index];
    msghdr& out = outgoing_[index].msg_hdr;
    out.msg_iov = frames_[index].data();
    out.msg_iovlen = frames_[index].size();
  }
}

Result<void> DatagramPort::open(Io& io, PortKey key) {
  if (auto watched = io.watch(key, socket_.get()); !watched || !control_) return watched;
  return io.watch(key, control_.get());
}

void DatagramPort::close(Io& io) noexcept {
  io.forget(socket_.get());
  if (control_) io.forget(control_.get());
  control_.reset();
  socket_.reset();
  sender_.reset();
}

// ---- receiving ----

RxState DatagramPort::receive(RxBurst& burst) noexcept {
  const unsigned room = burst.room();
  if (!connected_) {
    for (mmsghdr& message : std::span(incoming_).first(room))
      message.msg_hdr.msg_namelen = sizeof(sockaddr_storage);
  }
  int count;
  do {
    called();
    count = recvmmsg(socket_.get(), incoming_.data(), room, MSG_DONTWAIT, nullptr);
  } while (count < 0 && errno == EINTR);
  if (count < 0) return stopped(errno);
  const auto received = static_cast<unsigned>(count);
  for (unsigned index = 0; index < received; ++index) {
    const mmsghdr& message = incoming_[index];
    if (message.msg_len == 0 && type_ == SocketType::SeqPacket) {  // the peer has closed
      fail(ECONNRESET);
      return RxState::Failed;
    }
    take({buffers_.get() + index * stride_, std::min<std::size_t>(message.msg_len, stride_)}, message, burst);
  }
  return received == room ? RxState::More : emptied();
}

/// No message is left, so now the end of the stream beside them counts. What else is said there is for
/// nobody.
RxState DatagramPort::emptied() noexcept {
  if (!control_) return RxState::Drained;
  std::array<std::uint8_t, 256> said;
  called();
  const ssize_t got = recv(control_.get(), said.data(), said.size(), MSG_DONTWAIT);
  if (got > 0 || (got < 0 && errno == EINTR)) return RxState::More;
  if (got < 0 && errno == EAGAIN) return RxState::Drained;
  fail(got == 0 ? ECONNRESET : errno);
  return RxState::Failed;
}

void DatagramPort::take(std::span<const std::uint8_t> bytes, const mmsghdr& message,
                        RxBurst& burst) noexcept {
  const bool isFrame = bytes.size() >= ethernetHeaderLength;
  const bool greets = isSame(bytes, greeting);
  if (own_) {
    if (senderOf(message.msg_hdr) == *own_) return;
  } else if (!fromPeer(message.msg_hdr, isFrame || greets)) {
    return burst.drops.add(DropReason::WrongPeer, 1);
  }
  if (greets) return;
  if (!isFrame) return burst.drops.add(DropReason::Runt, 1);
  if (isSame(bytes, ping)) return burst.drops.add(DropReason::NoFrame, 1);
  if (bytes.size() > limit() || (message.msg_hdr.msg_flags & MSG_TRUNC))
    return burst.drops.add(DropReason::Oversize, 1);
  burst.copyIn(bytes);
}

SocketAddress DatagramPort::senderOf(const msghdr& message) noexcept {
  return SocketAddress::of(*static_cast<const sockaddr_storage*>(message.msg_name), message.msg_namelen);
}

bool DatagramPort::fromPeer(const msghdr& message, bool mayLearn) noexcept {
  if (connected_) return true;
  const SocketAddress sender = senderOf(message);
  if (peer_) return sender == *peer_;
  if (!mayLearn || !sender.reachable()) return false;
  peer_ = sender;
  return true;
}

RxState DatagramPort::stopped(int error) noexcept {
  if (error == EAGAIN) return emptied();
  if (!ends(error)) return RxState::More;  // said once, of something that was sent
  fail(error);
  return RxState::Failed;
}

/// Whether an error is the end of the socket. What a network says of one datagram is not, nor is it the end
/// of an address that nobody is at.
bool DatagramPort::ends(int error) const noexcept {
  switch (error) {
    case EBADF:
    case ENOTSOCK:
    case ENOTCONN:
    case EPIPE:
      return true;
    case ECONNREFUSED:
    case ECONNRESET:
      return connected_ && local_;
    default:
      return false;
  }
}

// ---- transmitting ----

void DatagramPort::transmit(std::span<const TxItem> items) noexcept {
  if (failure() != 0 || !reachable()) return refuse(items, DropReason::PortDown);
  spoke_ = true;
  std::size_t count = 0;
  for (const TxItem& item : items) {
    if (item.frame->length > limit()) {
      dropped(item, DropReason::Oversize);
      continue;
    }
    items_[count] = item;
    const std::uint32_t missing =
        pad_ && item.frame->length < paddedLength ? paddedLength - item.frame->length : 0;
    frames_[count] = {{{item.frame->data, item.frame->length}, {zeros.data(), missing}}};
    if (++count == burstSize) send(std::exchange(count, 0));
  }
  send(count);
}

/// sendmmsg ends at the first message that is refused: that one is dropped, and it goes on with the next, but
/// not where the next would meet the same.
void DatagramPort::send(std::size_t count) noexcept {
  const int sender = (sender_ ? sender_ : socket_).get();
  if (peer_) {
    for (mmsghdr& message : std::span(outgoing_).first(count)) {
      message.msg_hdr.msg_name = const_cast<sockaddr*>(peer_->get());
      message.msg_hdr.msg_namelen = peer_->length();
    }
  }
  for (std::size_t done = 0; done < count;) {
    called();
    const int accepted = sendmmsg(sender, outgoing_.data() + done, static_cast<unsigned>(count - done),
                                  MSG_DONTWAIT | MSG_NOSIGNAL);
    if (accepted < 0 && errno == EINTR) continue;
    if (accepted < 0) {
      const DropReason reason = refusal(errno);
      if (reason != DropReason::Oversize) return refuse({items_.data() + done, count - done}, reason);
      dropped(items_[done++], reason);
      continue;
    }
    const auto whole = static_cast<std::size_t>(accepted);
    sent({items_.data() + done, whole});
    done += whole;
  }
}

DropReason DatagramPort::refusal(int error) noexcept {
  if (error == EAGAIN || error == ENOBUFS || error == ENOMEM) return DropReason::PortFull;
  if (error == EMSGSIZE) return DropReason::Oversize;
  if (ends(error)) fail(error);
  return DropReason::PortDown;
}

void DatagramPort::keepAlive() noexcept {
  if (std::exchange(spoke_, false) || !reachable() || failure() != 0) return;
  static_cast<void>(::sendto(socket_.get(), ping.data(), ping.size(), MSG_DONTWAIT | MSG_NOSIGNAL,
                             peer_ ? peer_->get() : nullptr, peer_ ? peer_->length() : 0));
}

}  // namespace etherloom
