// Set-up calls of the addon: devices, namespaces, interfaces, filters. Registered by addon.cpp.
#pragma once

#include <napi.h>

#include <memory>

#include "ports/port.hpp"

namespace etherloom {

/// An open device on its way from a set-up call to attach(): an External that gives its port up once.
struct Device {
  std::unique_ptr<Port> port;
};

void registerDevices(Napi::Env env, Napi::Object exports);

}  // namespace etherloom
