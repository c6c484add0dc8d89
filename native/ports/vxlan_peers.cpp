#include "ports/vxlan_peers.hpp"

#include <netinet/in.h>

#include <algorithm>
#include <cstring>
#include <utility>

namespace etherloom {

IpKey IpKey::of(const sockaddr_storage& address) noexcept {
  IpKey key;
  // SAFETY: a sockaddr_storage has room for, and is aligned as, every kind of address.
  if (address.ss_family == AF_INET6) {
    const auto& six = reinterpret_cast<const sockaddr_in6&>(address);
    std::memcpy(key.bytes.data(), &six.sin6_addr, key.bytes.size());
    key.zone = six.sin6_scope_id;
  } else {
    const auto& four = reinterpret_cast<const sockaddr_in&>(address);
    key.bytes[10] = key.bytes[11] = 0xff;
    std::memcpy(key.bytes.data() + 12, &four.sin_addr, 4);
  }
  return key;
}

namespace {

IpKey keyOf(const SocketAddress& address) {
  sockaddr_storage storage{};
  std::memcpy(&storage, address.get(), address.length());
  return IpKey::of(storage);
}

}  // namespace

VxlanPeer::VxlanPeer(std::string itsIp, const SocketAddress& itsAddress)
    : ip(std::move(itsIp)), address(itsAddress), key(keyOf(itsAddress)) {}

VxlanPeers::VxlanPeers(Slots slots) : slots_(std::move(slots)) {
  for (std::size_t slot = 0; slot < limit; ++slot) {
    if (!slots_[slot]) continue;
    all_.push_back(slots_[slot].get());
    places_.push_back({slots_[slot]->key, slot});
  }
  std::ranges::sort(places_, {}, &Place::key);
}

std::shared_ptr<const VxlanPeers> VxlanPeers::changed(
    const std::vector<std::pair<std::string, SocketAddress>>& wanted) const {
  Slots slots;
  std::vector<std::shared_ptr<VxlanPeer>> fresh;
  for (const auto& [ip, address] : wanted) {
    auto peer = std::make_shared<VxlanPeer>(ip, address);
    if (const std::size_t slot = find(peer->key); slot != limit) {
      slots[slot] = slots_[slot];
    } else {
      fresh.push_back(std::move(peer));
    }
  }
  std::size_t slot = 0;
  for (auto& peer : fresh) {
    while (slot < limit && slots[slot]) ++slot;
    if (slot == limit) break;
    slots[slot] = std::move(peer);
  }
  return std::make_shared<const VxlanPeers>(std::move(slots));
}

std::size_t VxlanPeers::find(const IpKey& key) const noexcept {
  const auto place = std::ranges::lower_bound(places_, key, {}, &Place::key);
  return place != places_.end() && place->key == key ? place->slot : limit;
}

}  // namespace etherloom
