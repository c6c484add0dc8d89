// Set-up calls of the addon: devices, namespaces, interfaces, filters. Registered by addon.cpp.
#pragma once

#include <napi.h>

#include <memory>
#include <vector>

#include "ports/port.hpp"

namespace etherloom {

/// An open device on its way from a set-up call to attach(): an External that gives its ports up once.
struct Device {
  std::unique_ptr<Port> port;
  std::vector<std::unique_ptr<Port>> further;  ///< queues of a TAP beside its first
};

void registerDevices(Napi::Env env, Napi::Object exports);

}  // namespace etherloom
