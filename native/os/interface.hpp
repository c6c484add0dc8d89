// What a network interface is to us: a name, a state, addresses. Plain values, used on any thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "os/error.hpp"

namespace etherloom {

using MacAddress = std::array<std::uint8_t, 6>;

/// What the kernel says about an interface that its tun driver made.
struct TunDevice {
  bool tap = false;                ///< Ethernet frames; otherwise a TUN, which carries IP packets
  bool packetInformation = false;  ///< four bytes before each frame (no IFF_NO_PI)
  bool multiQueue = false;
  std::uint32_t queues = 0;  ///< descriptors attached to it; known for multi-queue devices only
};

/// The state of one interface at one moment.
struct Link {
  int index = 0;  ///< 0: not visible from here
  std::string name;
  MacAddress mac{};
  std::uint32_t mtu = 0;           ///< in bytes, without the Ethernet header
  bool up = false;                 ///< set up by the administrator
  bool carrier = false;            ///< the other end is there
  std::uint32_t flags = 0;         ///< IFF_* of netdevice(7)
  std::uint16_t hardwareType = 0;  ///< ARPHRD_* of <linux/if_arp.h>
  std::string kind;                ///< driver kind ("tun", "veth", "bridge"); empty for hardware and loopback
  std::optional<TunDevice> tun;    ///< for kind "tun"
};

/// An IP address with the length of its network prefix.
struct AddressPrefix {
  int family = 0;                        ///< AF_INET or AF_INET6
  std::array<std::uint8_t, 16> bytes{};  ///< network order; IPv4 uses the first four
  std::uint8_t prefixLength = 0;

  bool operator==(const AddressPrefix&) const = default;

  /// "10.0.0.1/24", "fd00::1/64"; without a slash the prefix is the whole address.
  static Result<AddressPrefix> parse(const std::string& text);

  [[nodiscard]] std::span<const std::uint8_t> address() const;
  [[nodiscard]] std::string toString() const;
};

/// The kernel's rules for interface names, told apart: 1 to 15 bytes, not "." or "..", no '/', ':', white
/// space or control characters.
Result<void> checkInterfaceName(const std::string& name);

}  // namespace etherloom
