#include "binding/device.hpp"

#include <algorithm>
#include <cstdio>

#include "binding/call.hpp"
#include "binding/exports.hpp"

namespace etherloom {
namespace {

std::string formatMac(const MacAddress& mac) {
  char text[18];
  std::snprintf(text, sizeof text, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4],
                mac[5]);
  return text;
}

/// The protocols of which the port carries super-frames.
Napi::Array superFrames(Napi::Env env, Offloads offloads) {
  Napi::Array protocols = Napi::Array::New(env);
  if (includes(offloads, Offloads::Tso4)) protocols.Set(protocols.Length(), "tcp");
  if (includes(offloads, Offloads::Uso)) protocols.Set(protocols.Length(), "udp");
  return protocols;
}

/// Closes what no fabric took.
void discardDevice(Napi::Env, Device& device) { device = {}; }

const Exports deviceExports{{"discardDevice", call<discardDevice>}};

}  // namespace

Napi::Object describe(Napi::Env env, const Link& link) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("index", link.index);
  object.Set("name", link.name);
  object.Set("mac", formatMac(link.mac));
  object.Set("mtu", link.mtu);
  object.Set("up", link.up);
  return object;
}

Napi::Object deliver(Napi::Env env, Device device, const Link& link) {
  Napi::Object object = describe(env, link);
  object.Set("superFrames", superFrames(env, device.port->offloads()));
  object.Set("device", hand(env, std::move(device)));
  return object;
}

std::vector<AddressPrefix> prefixes(const Napi::Object& options, const char* key,
                                    std::optional<Error>& error) {
  std::vector<AddressPrefix> parsed;
  if (!given(options, key)) return parsed;
  const auto texts = options.Get(key).As<Napi::Array>();
  for (std::uint32_t index = 0; index < texts.Length(); ++index) {
    auto prefix = AddressPrefix::parse(texts.Get(index).As<Napi::String>().Utf8Value());
    if (!prefix) {
      error = prefix.error();
      return {};
    }
    parsed.push_back(*prefix);
  }
  return parsed;
}

std::optional<MacAddress> macAddress(const Napi::Object& options, const char* key) {
  if (!given(options, key)) return {};
  const auto bytes = options.Get(key).As<Napi::Uint8Array>();
  MacAddress mac;
  std::copy_n(bytes.Data(), mac.size(), mac.begin());
  return mac;
}

std::vector<sock_filter> socketFilter(const Napi::Object& options) {
  std::vector<sock_filter> program;
  for (const FilterInstruction& each : instructions(options.Get("filter")))
    program.push_back({each.code, each.jt, each.jf, each.k});
  return program;
}

}  // namespace etherloom
