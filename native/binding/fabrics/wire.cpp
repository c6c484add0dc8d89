// Wire, for JavaScript.
#include "fabrics/wire.hpp"

#include "binding/exports.hpp"

namespace etherloom {

static const FabricKind kind("wire", [](const Napi::Object&) -> std::unique_ptr<Fabric> {
  return std::make_unique<Wire>();
});

}  // namespace etherloom
