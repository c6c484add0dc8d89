// PatchPort, for JavaScript.
#include "ports/patch_port.hpp"

#include "binding/call.hpp"
#include "binding/device.hpp"
#include "binding/engine.hpp"
#include "binding/exports.hpp"

namespace etherloom {
namespace {

/// makePatch(engine, limit, peer | -1) → device, which has to be where its peer is
Napi::Value makePatch(Napi::Env env, EngineObject& engine, std::uint32_t limit, std::optional<PortId> peer) {
  std::optional<std::uint16_t> worker;
  if (peer) worker = engine.native().workerOf(*peer);
  return hand(env, Device{std::make_unique<PatchPort>(limit), {}, worker});
}

/// joinPatches(engine, left, right)
void joinPatches(Napi::Env, EngineObject& engine, PortId left, PortId right) {
  engine.native().orderPort(left, [&other = engine.native().port(right)](Port& port) {
    auto* const end = portAs<PatchPort>(port);
    auto* const peer = portAs<PatchPort>(other);
    if (end && peer) PatchPort::join(*end, *peer);
  });
}

const Exports patchExports{{"makePatch", call<makePatch>}, {"joinPatches", call<joinPatches>}};

}  // namespace
}  // namespace etherloom
