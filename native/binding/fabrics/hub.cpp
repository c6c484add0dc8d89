// Hub, for JavaScript.
#include "fabrics/hub.hpp"

#include "binding/exports.hpp"

namespace etherloom {

static const FabricKind hubKind("hub", [](const Napi::Object&) -> std::unique_ptr<Fabric> {
  return std::make_unique<Hub>();
});

}  // namespace etherloom
