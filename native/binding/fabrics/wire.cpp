// Wire, for JavaScript: a hub of two ports.
#include "fabrics/hub.hpp"

#include "binding/exports.hpp"

namespace etherloom {

static const FabricKind wireKind("wire", [](const Napi::Object&) -> std::unique_ptr<Fabric> {
  return std::make_unique<Hub>();
});

}  // namespace etherloom
