// MemoryPort, and the bridge that all memory ports of a worker share, for JavaScript.
#include "ports/memory_port.hpp"

#include "binding/call.hpp"
#include "binding/device.hpp"
#include "binding/engine.hpp"
#include "binding/exports.hpp"

namespace etherloom {
namespace {

/// What a bridge needs of JavaScript. The engine keeps it for as long as a worker may look at the memory.
struct Ends {
  Ends(const Napi::ArrayBuffer& in, const Napi::ArrayBuffer& out, const Napi::Function& readAll)
      : fromJavaScript(Napi::Persistent(in)),
        toJavaScript(Napi::Persistent(out)),
        drain(Napi::Persistent(readAll)) {}
  [[nodiscard]] std::function<void()> makeRoom() const {
    return [this] {
      const Napi::HandleScope scope(drain.Env());
      drain.Call({});
    };
  }
  Napi::Reference<Napi::ArrayBuffer> fromJavaScript, toJavaScript;
  Napi::FunctionReference drain;
};

std::span<std::byte> bytesOf(Napi::ArrayBuffer buffer) {
  return {static_cast<std::byte*>(buffer.Data()), buffer.ByteLength()};
}

class Bridge final : private Ends, public MemoryBridge {
 public:
  Bridge(EngineObject& engine, std::uint16_t itsWorker, Napi::ArrayBuffer in, Napi::ArrayBuffer out,
         const Napi::Function& readAll)
      : Ends(in, out, readAll),
        MemoryBridge(bytesOf(in), bytesOf(out), engine.waker(),
                     engine.native().isVirtual() ? makeRoom() : nullptr),
        worker(itsWorker) {}
  const std::uint16_t worker;
};

/// makeBridge(engine, worker, inbound, outbound, drain) → bridge. ArrayBuffers, a power of two long; drain()
/// reads all that is published.
Napi::Value makeBridge(Napi::Env env, EngineObject& engine, std::uint16_t worker, Napi::ArrayBuffer inbound,
                       Napi::ArrayBuffer outbound, Napi::Function drain) {
  const auto bridge = std::make_shared<Bridge>(engine, worker, inbound, outbound, drain);
  engine.native().addSource(worker, bridge);
  return Napi::External<Bridge>::New(
      env, bridge.get(), [](Napi::Env, Bridge*, std::shared_ptr<Bridge>* kept) { delete kept; },
      new std::shared_ptr<Bridge>(bridge));
}

/// makeMemory(bridge, number, limit, quota) → device
Napi::Value makeMemory(Napi::Env env, Bridge& bridge, std::uint32_t number, std::uint32_t limit,
                       std::uint32_t quota) {
  return hand(env, Device{std::make_unique<MemoryPort>(bridge, number, limit, quota), {}, bridge.worker});
}

/// commitMemory(engine, bridge, position) → the position up to which the worker has read
std::uint64_t commitMemory(Napi::Env, EngineObject& engine, Bridge& bridge, std::uint64_t position) {
  bridge.inbound.publish(position);
  engine.native().isVirtual() ? bridge.collect() : engine.native().nudge(bridge.worker);
  return bridge.inbound.consumed();
}

std::uint64_t publishedMemory(Napi::Env, Bridge& bridge) { return bridge.outbound.published(); }

void consumeMemory(Napi::Env, Bridge& bridge, std::uint64_t position) { bridge.outbound.consume(position); }

bool rearmMemory(Napi::Env, Bridge& bridge) { return bridge.rearm(); }

/// takenMemory(engine, port, frames)
void takenMemory(Napi::Env, EngineObject& engine, PortId id, std::uint32_t frames) {
  if (auto* const port = portAs<MemoryPort>(engine.native().port(id))) port->taken(frames);
}

const Exports memoryExports{
    {"makeBridge", call<makeBridge>},       {"makeMemory", call<makeMemory>},
    {"commitMemory", call<commitMemory>},   {"publishedMemory", call<publishedMemory>},
    {"consumeMemory", call<consumeMemory>}, {"rearmMemory", call<rearmMemory>},
    {"takenMemory", call<takenMemory>}};

}  // namespace
}  // namespace etherloom
