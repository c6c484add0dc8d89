// What comes out of a netlink socket: any datagram, read as the answer to a request and as news of
// interfaces.
//
// The input: the datagram. The oracle walks it by offsets, as netlink(7) describes it, and picks the last of
// each attribute.
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>

#include <functional>
#include <string>

#include "os/link_monitor.hpp"
#include "os/netlink_message.hpp"
#include "target.hpp"

using namespace etherloom;
using namespace etherloom::fuzz;

namespace {

/// A part of the datagram; reads zeros behind its end.
struct Part {
  const std::vector<std::uint8_t>* all;
  std::size_t from, to;

  [[nodiscard]] std::uint64_t number(std::size_t at, std::size_t size) const {
    std::uint64_t value = 0;
    for (std::size_t index = size; index-- > 0;)
      value = value * 256 + (from + at + index < to ? (*all)[from + at + index] : 0U);
    return value;
  }
  [[nodiscard]] std::string text() const {
    std::string found;
    for (std::size_t at = from; at < to && (*all)[at] != 0; ++at) found += static_cast<char>((*all)[at]);
    return found;
  }
  [[nodiscard]] std::size_t size() const { return to - from; }
};

/// Messages (with a head of 16 bytes and a length of 4) or attributes (4 and 2), and where they end.
void walk(Part in, std::size_t head, std::size_t lengthSize,
          const std::function<void(Part whole, Part content)>& each) {
  while (in.size() >= head) {
    const auto length = static_cast<std::size_t>(in.number(0, lengthSize));
    if (length < head || length > in.size()) return;
    const Part whole{in.all, in.from, in.from + length};
    each(whole, {in.all, in.from + head, whole.to});
    in.from += std::min((length + 3) / 4 * 4, in.size());
  }
}

std::map<unsigned, Part> attributesOf(Part in, std::size_t skip) {
  in.from = std::min(in.from + skip, in.to);
  std::map<unsigned, Part> last;
  walk(in, 4, 2, [&](Part whole, Part content) {
    last.insert_or_assign(static_cast<unsigned>(whole.number(2, 2)) & 0x3fff, content);
  });
  return last;
}

void requireLink(const Link& link, Part body) {
  auto attributes = attributesOf(body, 16);
  const auto number = [&](unsigned type, std::size_t size) {
    const auto found = attributes.find(type);
    return found == attributes.end() ? 0 : found->second.number(0, size);
  };
  const auto flags = static_cast<std::uint32_t>(body.number(8, 4));
  require(link.index == static_cast<int>(body.number(4, 4)) && link.flags == flags);
  require(link.up == ((flags & IFF_UP) != 0) && link.hardwareType == body.number(2, 2));
  require(link.mtu == number(IFLA_MTU, 4) && link.carrier == (number(IFLA_CARRIER, 1) != 0));
  for (std::size_t at = 0; at < 6; ++at) require(link.mac[at] == (number(IFLA_ADDRESS, 6) >> 8 * at & 0xff));
  const auto name = attributes.find(IFLA_IFNAME);
  require(link.name == (name == attributes.end() ? "" : name->second.text()));
  require(link.tun.has_value() == (link.kind == "tun"));
  // Kind and data may come in different ones of these.
  const auto info = attributes.find(IFLA_LINKINFO);
  if (info == attributes.end()) require(link.kind.empty());
}

void run(std::span<const std::uint8_t> input) {
  const std::vector<std::uint8_t> memory = exactly(input);
  const NetlinkBytes datagram = std::as_bytes(std::span(memory));

  std::vector<std::pair<Part, Part>> messages;
  walk({&memory, 0, memory.size()}, 16, 4,
       [&](Part whole, Part content) { messages.emplace_back(whole, content); });
  std::size_t seen = 0;
  forEachMessage(datagram, [&](const nlmsghdr& header, NetlinkBytes body) {
    require(seen < messages.size());
    const auto [whole, content] = messages[seen++];
    require(header.nlmsg_type == whole.number(4, 2) && header.nlmsg_seq == whole.number(8, 4));
    require(body.size() == content.size() && (body.empty() || body.data() == datagram.data() + content.from));

    requireLink(parseLink(body), content);

    const AddressPrefix address = parseAddress(body);
    require(address.family == static_cast<int>(content.number(0, 1)));
    require(address.prefixLength == content.number(1, 1));
    const auto attributes = attributesOf(content, 8);
    auto found = attributes.find(IFA_LOCAL);
    if (found == attributes.end()) found = attributes.find(IFA_ADDRESS);
    for (std::size_t at = 0; at < 16; ++at)
      require(address.bytes[at] == (found == attributes.end() ? 0 : found->second.number(at, 1)));
    static_cast<void>(address.toString());

    for (const std::size_t skip : {sizeof(int), sizeof(nlmsgerr)}) {
      const Result<void> verdict = verdictOf(body, skip, "pass");
      const auto number = static_cast<std::uint32_t>(content.number(0, 4));
      require(static_cast<bool>(verdict) == (number == 0));
      if (!verdict) require(static_cast<std::uint32_t>(verdict.error().number) + number == 0);
    }

    const std::optional<LinkEvent> event = parseEvent(header, body);
    const bool isLink = header.nlmsg_type == RTM_NEWLINK || header.nlmsg_type == RTM_DELLINK;
    require(event.has_value() == (isLink && content.number(0, 1) == AF_UNSPEC));
    if (!event) return;
    requireLink(event->link, content);
    const bool vanished = header.nlmsg_type == RTM_DELLINK;
    require((event->kind == LinkEvent::Kind::Vanished) == vanished);
    require(event->moved == (vanished && attributesOf(content, 16).contains(IFLA_NEW_NETNSID)));
    require((event->kind == LinkEvent::Kind::Appeared) == (!vanished && content.number(12, 4) == 0xffffffff));
  });
  require(seen == messages.size());
}

const Target target("rtnetlink", run);

}  // namespace
