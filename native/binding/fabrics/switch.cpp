// Switch, for JavaScript: {ageing: bigint, addresses, forwardReserved}.
#include "fabrics/switch.hpp"

#include "binding/convert.hpp"
#include "binding/exports.hpp"

namespace etherloom {

static const FabricKind switchKind("switch", [](const Napi::Object& given) -> std::unique_ptr<Fabric> {
  SwitchSettings settings;
  settings.ageing = {signed64(given, "ageing")};
  settings.addresses = number(given, "addresses");
  settings.forwardReserved = flag(given, "forwardReserved");
  return std::make_unique<Switch>(settings);
});

}  // namespace etherloom
