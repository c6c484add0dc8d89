// Interface names and IP prefixes: parsing, printing, checking. Called at set-up, on any thread.
#include "os/interface.hpp"

#include <arpa/inet.h>
#include <net/if.h>

#include <algorithm>
#include <charconv>
#include <string_view>
#include <utility>

namespace etherloom {

Result<AddressPrefix> AddressPrefix::parse(const std::string& text) {
  const auto invalid = [&text](std::string_view why) {
    return Error{EINVAL, "", "'" + text + "' is not an IP address: " + std::string(why)};
  };
  const std::size_t slash = text.find('/');
  const std::string address = text.substr(0, slash);
  AddressPrefix prefix;
  prefix.family = address.find(':') == std::string::npos ? AF_INET : AF_INET6;
  // The C string that inet_pton sees must be the whole text.
  if (address.find('\0') != std::string::npos ||
      inet_pton(prefix.family, address.c_str(), prefix.bytes.data()) != 1)
    return invalid("expected one like 10.0.0.1/24 or fd00::1/64");

  const std::size_t bits = prefix.address().size() * 8;
  std::size_t length = bits;
  if (slash != std::string::npos) {
    const char* const end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data() + slash + 1, end, length);
    if (error != std::errc() || rest != end || length > bits)
      return invalid("the prefix length must be 0 to " + std::to_string(bits));
  }
  prefix.prefixLength = static_cast<std::uint8_t>(length);
  return prefix;
}

std::span<const std::uint8_t> AddressPrefix::address() const {
  return {bytes.data(), family == AF_INET ? std::size_t{4} : std::size_t{16}};
}

std::string AddressPrefix::toString() const {
  char text[INET6_ADDRSTRLEN] = "";
  inet_ntop(family, bytes.data(), text, sizeof text);
  return std::string(text) + "/" + std::to_string(prefixLength);
}

Result<void> checkInterfaceName(const std::string& name) {
  const auto invalid = [&name](std::string_view why) {
    return Error{EINVAL, "", "'" + name + "' cannot name an interface: " + std::string(why)};
  };
  const auto forbidden = [](char character) {
    return character == '/' || character == ':' || static_cast<unsigned char>(character) <= ' ';
  };
  if (name.empty()) return invalid("it is empty");
  if (name.size() >= IFNAMSIZ)
    return invalid("it has " + std::to_string(name.size()) + " bytes, and 15 are allowed");
  if (name == "." || name == "..") return invalid("it is reserved");
  if (std::any_of(name.begin(), name.end(), forbidden))
    return invalid("'/', ':', white space and control characters are not allowed");
  return {};
}

}  // namespace etherloom
