// Open devices on their way from a set-up call of binding/ports/ to Engine.attach, and what those calls
// share. JavaScript thread only.
#pragma once

#include <napi.h>

#include <linux/filter.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "os/interface.hpp"
#include "os/rtnetlink.hpp"
#include "ports/port.hpp"

namespace etherloom {

/// What attach() and revive() take, once: an External in JavaScript.
struct Device {
  std::unique_ptr<Port> port;
  std::vector<std::unique_ptr<Port>> further{};  ///< the other queues of a device with several
  std::optional<std::uint16_t> worker{};  ///< where it has to be; else wherever there is the least to do
};

/// {index, name, mac, mtu, up}
[[nodiscard]] Napi::Object describe(Napi::Env env, const Link& link);
/// A device with the interface that stands behind it: {device, superFrames} and what describe() says.
[[nodiscard]] Napi::Object deliver(Napi::Env env, Device device, const Link& link);

/// The option `key` as addresses with their prefixes. The first that is none becomes `error`.
[[nodiscard]] std::vector<AddressPrefix> prefixes(const Napi::Object& options, const char* key,
                                                  std::optional<Error>& error);
[[nodiscard]] std::optional<MacAddress> macAddress(const Napi::Object& options, const char* key = "mac");
/// The option `filter` as the kernel takes it; empty for none.
[[nodiscard]] std::vector<sock_filter> socketFilter(const Napi::Object& options);

}  // namespace etherloom
