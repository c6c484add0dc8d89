// Set-up calls of the addon: devices, namespaces, interfaces, filters. Registered by addon.cpp.
#pragma once

#include <napi.h>

#include <memory>
#include <vector>

#include "os/socket.hpp"
#include "ports/port.hpp"

namespace etherloom {

/// An open device on its way from a set-up call to attach(): an External that gives its ports up once.
struct Device {
  std::unique_ptr<Port> port;
  std::vector<std::unique_ptr<Port>> further;  ///< queues of a TAP beside its first
};

/// A socket that has a port to come to, or waits for one: an External.
struct Socket {
  Fd fd;
  BoundSocket bound;
  [[nodiscard]] int descriptor() const { return fd ? fd.get() : bound.fd(); }
};

void registerDevices(Napi::Env env, Napi::Object exports);

}  // namespace etherloom
