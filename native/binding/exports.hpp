// What a file of the binding adds to the addon: functions, and kinds of fabrics. A static object of one of
// these classes in any file of binding/ does it; nothing else has to know of that file.
#pragma once

#include <napi.h>

#include <initializer_list>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "fabrics/fabric.hpp"
#include "os/registered.hpp"

namespace etherloom {

/// Functions by the names under which JavaScript finds them.
struct Exports : Registered<Exports> {
  using Call = Napi::Value (*)(const Napi::CallbackInfo&);

  Exports(std::initializer_list<std::pair<const char*, Call>> itsCalls) : calls(itsCalls) {}

  const std::vector<std::pair<const char*, Call>> calls;
};

/// A kind of fabric, made with the settings that its class in lib/fabrics/ gives.
struct FabricKind : Registered<FabricKind> {
  using Make = std::unique_ptr<Fabric> (*)(const Napi::Object& settings);

  FabricKind(std::string_view itsName, Make itsMake) : name(itsName), make(itsMake) {}

  const std::string_view name;
  const Make make;
};

}  // namespace etherloom
