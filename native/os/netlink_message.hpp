// Netlink messages: building a request, walking what comes back (netlink(7), rtnetlink(7)).
// Called by rtnetlink.cpp and link_monitor.cpp, on any thread.
#pragma once

#include <linux/netlink.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "os/error.hpp"
#include "os/interface.hpp"

namespace etherloom {

struct LinkEvent;

using NetlinkBytes = std::span<const std::byte>;

constexpr std::size_t alignNetlink(std::size_t size) { return (size + 3) & ~std::size_t{3}; }

/// The T at the start of `bytes`; zero from where they end, as an older kernel's structure may be shorter.
template <typename T>
T readNetlink(NetlinkBytes bytes) {
  static_assert(std::is_trivially_copyable_v<T>);
  T value{};
  std::memcpy(&value, bytes.data(), std::min(bytes.size(), sizeof value));
  return value;
}

/// Calls visit(const nlmsghdr&, body) for each message of a datagram.
template <typename Visit>
void forEachMessage(NetlinkBytes datagram, Visit visit) {
  while (datagram.size() >= sizeof(nlmsghdr)) {
    const auto header = readNetlink<nlmsghdr>(datagram);
    if (header.nlmsg_len < sizeof header || header.nlmsg_len > datagram.size()) return;
    visit(header, datagram.first(header.nlmsg_len).subspan(sizeof header));
    datagram = datagram.subspan(std::min(alignNetlink(header.nlmsg_len), datagram.size()));
  }
}

/// Calls visit(type, payload) for each attribute that follows the first `skip` bytes.
template <typename Visit>
void forEachAttribute(NetlinkBytes bytes, std::size_t skip, Visit visit) {
  bytes = bytes.subspan(std::min(alignNetlink(skip), bytes.size()));
  while (bytes.size() >= sizeof(nlattr)) {
    const auto header = readNetlink<nlattr>(bytes);
    if (header.nla_len < sizeof header || header.nla_len > bytes.size()) return;
    visit(header.nla_type & NLA_TYPE_MASK, bytes.first(header.nla_len).subspan(sizeof header));
    bytes = bytes.subspan(std::min(alignNetlink(header.nla_len), bytes.size()));
  }
}

/// A text attribute, without the zero byte that ends it.
inline std::string_view readNetlinkText(NetlinkBytes payload) {
  // SAFETY: bytes are read as char, which may alias anything.
  const std::string_view text(reinterpret_cast<const char*>(payload.data()), payload.size());
  return text.substr(0, text.find('\0'));
}

/// One request, from its header on.
class NetlinkRequest {
 public:
  template <typename Body>
  NetlinkRequest(std::uint16_t type, int flags, const Body& body) {
    nlmsghdr header{};
    header.nlmsg_type = type;
    header.nlmsg_flags = static_cast<std::uint16_t>(flags | NLM_F_REQUEST);
    append(std::as_bytes(std::span(&header, 1)));
    append(std::as_bytes(std::span(&body, 1)));
  }

  void add(std::uint16_t type, NetlinkBytes payload) {
    nest(type, [&] { append(payload); });
  }
  template <typename T>
  void addValue(std::uint16_t type, const T& value) {
    static_assert(std::is_trivially_copyable_v<T>);
    add(type, std::as_bytes(std::span(&value, 1)));
  }
  /// With the zero byte that the kernel's C strings want.
  void addText(std::uint16_t type, const std::string& text) {
    add(type, std::as_bytes(std::span(text.c_str(), text.size() + 1)));
  }
  /// An attribute whose payload is what `fill` adds.
  template <typename Fill>
  void nest(std::uint16_t type, Fill fill) {
    const std::size_t start = bytes_.size();
    nlattr header{0, type};
    append(std::as_bytes(std::span(&header, 1)));
    fill();
    header.nla_len = static_cast<std::uint16_t>(end_ - start);
    std::memcpy(bytes_.data() + start, &header, sizeof header);
  }
  /// Raw bytes: a structure at the head of a nested payload.
  void append(NetlinkBytes bytes) {
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    end_ = bytes_.size();
    bytes_.resize(alignNetlink(end_));
  }

  /// The finished message.
  [[nodiscard]] NetlinkBytes finish(std::uint32_t sequence) {
    auto header = readNetlink<nlmsghdr>(bytes_);
    header.nlmsg_len = static_cast<std::uint32_t>(bytes_.size());
    header.nlmsg_seq = sequence;
    std::memcpy(bytes_.data(), &header, sizeof header);
    return bytes_;
  }

 private:
  std::vector<std::byte> bytes_;  // always padded to four bytes
  std::size_t end_ = 0;           // where the last append ended, without its padding
};

/// The body of an RTM_NEWLINK or RTM_DELLINK message (an ifinfomsg and its attributes).
Link parseLink(NetlinkBytes body);
/// The body of an RTM_NEWADDR message (an ifaddrmsg and its attributes).
AddressPrefix parseAddress(NetlinkBytes body);
/// The answer that ends an exchange, NLMSG_ERROR or NLMSG_DONE; `skip` is where its attributes begin. `what`
/// completes "cannot ...".
Result<void> verdictOf(NetlinkBytes body, std::size_t skip, const std::string& what);
/// A message of the multicast group RTMGRP_LINK; nothing where it is no news of an interface.
std::optional<LinkEvent> parseEvent(const nlmsghdr& header, NetlinkBytes body);

}  // namespace etherloom
