// GeneratorPort, for JavaScript.
#include "ports/generator_port.hpp"

#include "binding/call.hpp"
#include "binding/device.hpp"
#include "binding/engine.hpp"
#include "binding/exports.hpp"

namespace etherloom {
namespace {

/// makeGenerator({length, count?, source, destination}) → device
Napi::Value makeGenerator(Napi::Env env, Napi::Object asked) {
  GeneratorPort::Settings settings;
  settings.length = number(asked, "length");
  if (given(asked, "count")) settings.count = static_cast<std::uint64_t>(real(asked, "count"));
  settings.source = *macAddress(asked, "source");
  settings.destination = *macAddress(asked, "destination");
  return hand(env, Device{std::make_unique<GeneratorPort>(settings)});
}

/// runGenerator(engine, port, whether) → ticket
Ticket runGenerator(Napi::Env, EngineObject& engine, PortId id, bool running) {
  engine.native().orderPort(id, [running](Port& port) {
    if (auto* const generator = portAs<GeneratorPort>(port)) generator->run(running);
  });
  return engine.native().fence([] {});
}

const Exports generatorExports{{"makeGenerator", call<makeGenerator>}, {"runGenerator", call<runGenerator>}};

}  // namespace
}  // namespace etherloom
