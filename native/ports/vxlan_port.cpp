#include "ports/vxlan_port.hpp"

#include <algorithm>

#include "frame/ethernet.hpp"
#include "frame/offload.hpp"
#include "frame/transport.hpp"

namespace etherloom {
namespace {

/// A kernel leaves checksums to the network card, those of the frames in a tunnel too. A datagram that
/// reaches us without ever meeting a card (through a veth pair, or a hub of ours) has a frame with a checksum
/// that is undone: the field holds the sum of the pseudo-header. That is what says so, for no header does.
/// Where it is the true checksum by chance, that comes out again.
void findUndoneChecksum(Frame& frame) noexcept {
  const std::optional<Transport> transport = findTransport(frame.data, frame.length);
  if (!transport) return;
  const std::uint8_t* const ip = frame.data + transport->ip;
  const std::uint32_t end =
      transport->ip + (transport->ip6 ? ip6HeaderLength + readBig16(ip + 4) : readBig16(ip + 2));
  if (end != frame.length || end < transport->payload) return;
  const std::uint32_t field = transport->at + transport->checksumOffset();
  if (readBig16(frame.data + field) != pseudoHeaderSum(frame.data, *transport, end - transport->at)) return;
  VirtioHeader claims{};
  claims.flags = needsChecksum;
  claims.csumStart = static_cast<std::uint16_t>(transport->at);
  claims.csumOffset = static_cast<std::uint16_t>(transport->checksumOffset());
  static_cast<void>(acceptOffload(frame, claims));
}

}  // namespace

VxlanPort::VxlanPort(std::shared_ptr<VxlanSocket> socket, Fd sender, const Settings& settings,
                     std::shared_ptr<const VxlanPeers> peers)
    : Port(settings.limit),
      socket_(std::move(socket)),
      sender_(std::move(sender)),
      vni_(settings.vni),
      ageing_(settings.ageing),
      refreshAfter_(std::min(Duration{1'000'000'000}, Duration{settings.ageing.nanoseconds / 4})),
      header_(vxlanHeader(settings.vni)),
      table_(settings.addresses, settings.ageing),
      peers_(peers),
      wanted_(std::move(peers)) {
  for (mmsghdr& message : outgoing_) message.msg_hdr.msg_iovlen = 2;
}

Result<void> VxlanPort::open(Io&, PortKey key) {
  key_ = key;
  socket_->join(vni_, *this);
  return {};
}

void VxlanPort::close(Io&) noexcept {
  socket_->leave(vni_);
  while (Frame* frame = inbox_.pop()) pool().release(frame);
  waiting_ = 0;
}

void VxlanPort::adopt(std::shared_ptr<const VxlanPeers> peers) noexcept {
  for (std::size_t slot = 0; slot < VxlanPeers::limit; ++slot) {
    if (peers_->at(slot) && peers_->at(slot) != peers->at(slot))
      table_.forget(Seat{static_cast<std::uint32_t>(slot)});
  }
  peers_.swap(peers);
}

// ---- receiving ----

// An inbox keeps no more than it leaves to all others, as that of a patch port.
bool VxlanPort::deliver(std::span<const std::uint8_t> bytes, const IpKey& sender) noexcept {
  const std::size_t slot = peers_->find(sender);
  const auto refusal = [&]() -> std::optional<DropReason> {
    if (slot == VxlanPeers::limit) return DropReason::WrongPeer;
    if (bytes.size() < ethernetHeaderLength) return DropReason::Runt;
    if (bytes.size() > limit()) return DropReason::Oversize;
    if (waiting_ == inboxLimit) return DropReason::PortFull;
    if (waiting_ >= pool().unused(FramePool::classFor(bytes.size()))) return DropReason::NoBuffer;
    return {};
  };
  std::optional<DropReason> reason = refusal();
  Frame* const frame = reason ? nullptr : pool().copyIn(bytes);
  if (!frame) {
    Sequence::Update update(counters().sequence);
    counters().dropped.add(reason.value_or(DropReason::NoBuffer), 1);
    return hasBurst();
  }
  {
    VxlanPeer& peer = *peers_->at(slot);
    Sequence::Update update(peer.sequence);
    peer.receivedFrames.add(1);
    peer.receivedBytes.add(bytes.size());
  }
  if (ageing_ != Duration{}) learn(*frame, slot);
  findUndoneChecksum(*frame);
  inbox_.push(*frame);
  ++waiting_;
  announce(key_);
  return hasBurst();
}

void VxlanPort::learn(const Frame& frame, std::size_t slot) noexcept {
  const std::uint64_t source = sourceOf(frame);
  if (isGroup(source)) return;
  const AddressKey address = AddressKey::of(source, vlanOf(frame));
  const Seat seat{static_cast<std::uint32_t>(slot)};
  const std::optional<KnownAddress> known = table_.find(address, now());
  if (!known || known->seat != seat || now() - known->refreshed > refreshAfter_)
    static_cast<void>(table_.learn({address, seat, now()}));
}

RxState VxlanPort::receive(RxBurst& burst) noexcept {
  for (; !inbox_.empty() && burst.room() > 0; --waiting_) burst.add(inbox_.pop());
  return inbox_.empty() ? RxState::Drained : RxState::More;
}

// ---- transmitting ----

void VxlanPort::transmit(std::span<const TxItem> items) noexcept {
  while (!items.empty()) {
    const std::size_t some = std::min<std::size_t>(items.size(), burstSize);
    passOn(items.first(some));
    items = items.subspan(some);
  }
}

void VxlanPort::passOn(std::span<const TxItem> items) noexcept {
  taken_ = 0;
  reasons_.fill(DropReason::Unreachable);
  for (std::size_t item = 0; item < items.size(); ++item) address(items, static_cast<std::uint8_t>(item));
  send(items);
  // Those that were taken one after the other end together.
  std::size_t first = 0;
  for (std::size_t item = 0; item < items.size(); ++item) {
    if (taken_ >> item & 1) continue;
    sent(items.subspan(first, item - first));
    dropped(items[item], reasons_[item]);
    first = item + 1;
  }
  sent(items.subspan(first));
}

/// Puts a message for each peer that an item is for.
void VxlanPort::address(std::span<const TxItem> items, std::uint8_t item) noexcept {
  const Frame& frame = *items[item].frame;
  const std::vector<VxlanPeer*>& all = peers_->all();
  if (frame.length > limit()) {
    reasons_[item] = DropReason::Oversize;
  } else if (all.size() == 1) {
    put(items, {item, all.front()});
  } else if (VxlanPeer* const known = knownPeer(frame)) {
    put(items, {item, known});
  } else if (flooded_ != 0 && flooded_ + all.size() > floodLimit) {
    reasons_[item] = DropReason::PortFull;
  } else {
    flooded_ += all.size();
    for (VxlanPeer* peer : all) put(items, {item, peer});
  }
}

VxlanPeer* VxlanPort::knownPeer(const Frame& frame) const noexcept {
  const std::uint64_t destination = destinationOf(frame);
  if (isGroup(destination)) return nullptr;
  const auto known = table_.find(AddressKey::of(destination, vlanOf(frame)), now());
  return known ? peers_->at(static_cast<std::size_t>(known->seat)) : nullptr;
}

void VxlanPort::put(std::span<const TxItem> items, Message message) noexcept {
  const Frame& frame = *items[message.item].frame;
  whose_[messages_] = message;
  parts_[messages_] = {{{header_.data(), header_.size()}, {frame.data, frame.length}}};
  msghdr& out = outgoing_[messages_].msg_hdr;
  out.msg_iov = parts_[messages_].data();
  out.msg_name = const_cast<sockaddr*>(message.peer->address.get());
  out.msg_namelen = message.peer->address.length();
  if (++messages_ == burstSize) send(items);
}

/// sendmmsg ends at the first message that is refused. That is left out, with those that would meet the same,
/// and it goes on behind.
void VxlanPort::send(std::span<const TxItem> items) noexcept {
  for (std::size_t done = 0; done < messages_;) {
    called();
    const int accepted = sendmmsg(sender_.get(), outgoing_.data() + done,
                                  static_cast<unsigned>(messages_ - done), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (accepted < 0 && errno == EINTR) continue;
    if (accepted <= 0) {
      refuseLike(items, done, accepted < 0 ? errno : EAGAIN);
      continue;
    }
    for (const std::size_t end = done + static_cast<std::size_t>(accepted); done < end; ++done) {
      const Message& message = whose_[done];
      taken_ |= FrameMask{1} << message.item;
      Sequence::Update update(message.peer->sequence);
      message.peer->sentFrames.add(1);
      message.peer->sentBytes.add(items[message.item].frame->length);
    }
  }
  messages_ = 0;
}

/// Takes out, from the message `first` on, those that the kernel would refuse as it refused that one: all
/// where the socket is full, else those for the same peer, of which, where it was too long, the shorter ones
/// stay.
void VxlanPort::refuseLike(std::span<const TxItem> items, std::size_t first, int error) noexcept {
  const DropReason reason = refusal(error);
  const auto lengthOf = [&](const Message& message) { return items[message.item].frame->length; };
  const Message cause = whose_[first];
  std::size_t kept = first;
  for (std::size_t at = first; at < messages_; ++at) {
    const Message message = whose_[at];
    const bool like = reason == DropReason::PortFull ||
                      (message.peer == cause.peer &&
                       (reason != DropReason::Oversize || lengthOf(message) >= lengthOf(cause)));
    if (like) {
      refused(message, reason);
    } else {
      whose_[kept] = message;
      std::swap(outgoing_[kept++], outgoing_[at]);
    }
  }
  messages_ = kept;
}

void VxlanPort::refused(const Message& message, DropReason reason) noexcept {
  reasons_[message.item] = reason;
  VxlanPeer& peer = *message.peer;
  Sequence::Update update(peer.sequence);
  (reason == DropReason::Oversize   ? peer.tooLong
   : reason == DropReason::PortFull ? peer.full
                                    : peer.unreachable)
      .add(1);
}

/// Nothing of this is the end of the socket: what one peer's network says is about that peer.
DropReason VxlanPort::refusal(int error) noexcept {
  switch (error) {
    case EAGAIN:
    case ENOBUFS:
    case ENOMEM:
      return DropReason::PortFull;
    case EMSGSIZE:
      return DropReason::Oversize;
    default:
      return DropReason::Unreachable;
  }
}

}  // namespace etherloom
