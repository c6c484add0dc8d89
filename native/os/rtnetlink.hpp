// The few things we ask the kernel about interfaces, addresses and routes: our own messages over
// NETLINK_ROUTE. Called at set-up, on any thread; an object is used by one thread at a time. It speaks about
// the network namespace in which it was opened, whichever thread uses it later (see runIn).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "os/error.hpp"
#include "os/fd.hpp"
#include "os/interface.hpp"

namespace etherloom {

class NetlinkRequest;

/// Whether a new IPv6 address must pass duplicate address detection (RFC 4862) or is usable at once.
enum class DuplicateAddressDetection : std::uint8_t { On, Off };

/// A way to `destination`, of which prefix length 0 makes the default route. At least one of `gateway`, of
/// which only the address counts, and `interface`, an index, says where it leads.
struct Route {
  AddressPrefix destination;
  std::optional<AddressPrefix> gateway;
  int interface = 0;
  /// The lowest is taken; 0: what the kernel makes of none.
  std::uint32_t metric = 0;
};

/// Every change needs CAP_NET_ADMIN in the namespace; reading needs nothing. Each call waits for the kernel's
/// answer, and its own explanation, where it gives one, is part of the error message.
class Rtnetlink {
 public:
  static Result<Rtnetlink> open();

  Result<Link> link(const std::string& name);
  Result<Link> link(int index);
  Result<std::vector<Link>> links();

  Result<void> setUp(int index, bool up);
  Result<void> setMtu(int index, std::uint32_t mtu);
  Result<void> setMacAddress(int index, const MacAddress& mac);
  /// From now on the interface answers ARP requests for its own IPv4 addresses only, not, as by default, for
  /// those of all interfaces (conf/NAME/arp_ignore = 1, Documentation/networking/ip-sysctl of Linux).
  Result<void> answerArpForOwnAddressesOnly(int index);
  Result<void> moveToNamespace(int index, int namespaceFd);
  Result<void> deleteLink(int index);
  Result<void> createVethPair(const std::string& nameA, const std::string& nameB);

  /// An IPv4 address gets the broadcast address of its prefix (none for /31 and /32, RFC 3021). Success if
  /// the interface has this very address and prefix length already.
  Result<void> addAddress(int index, const AddressPrefix& prefix,
                          DuplicateAddressDetection detection = DuplicateAddressDetection::On);
  Result<void> removeAddress(int index, const AddressPrefix& prefix);
  Result<std::vector<AddressPrefix>> addresses(int index);

  /// Into the main table, instead of another to this destination with this metric; without `replace` that is
  /// EEXIST.
  Result<void> addRoute(const Route& route, bool replace = true);
  /// Out of the main table, if it is there and was added like this.
  Result<void> removeRoute(const Route& route);

 private:
  using Visit = std::function<void(std::uint16_t type, std::span<const std::byte> body)>;

  explicit Rtnetlink(Fd fd) : fd_(std::move(fd)) {}

  Result<void> exchange(NetlinkRequest& request, const std::string& what, const Visit& visit = {});
  Result<Link> requestLink(NetlinkRequest& request, const std::string& what);
  template <typename T, typename Parse>
  Result<std::vector<T>> dump(NetlinkRequest& request, const std::string& what, Parse parse);
  [[nodiscard]] std::string nameOf(int index) const;
  [[nodiscard]] std::string toString(const Route& route) const;

  Fd fd_;
  std::uint32_t sequence_ = 0;
};

}  // namespace etherloom
