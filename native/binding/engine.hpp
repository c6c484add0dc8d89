// The addon's one class: an Engine with what JavaScript needs around it. lib/binding.ts declares its surface.
// JavaScript thread only, but for wake(), which workers and the descriptor watch call.
#pragma once

#include <napi.h>

#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "binding/policies.hpp"
#include "os/link_monitor.hpp"
#include "runtime/descriptor_watch.hpp"
#include "runtime/engine.hpp"

namespace etherloom {

class EngineObject final : public Napi::ObjectWrap<EngineObject> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit EngineObject(const Napi::CallbackInfo& info);
  ~EngineObject() override;

 private:
  /// The bridge of one worker, over memory that JavaScript made.
  struct Bridge {
    Napi::Reference<Napi::ArrayBuffer> inbound, outbound;
    Napi::FunctionReference drain;
    std::unique_ptr<MemoryBridge> bridge;
  };
  struct LinkNews {
    std::uint32_t watch;
    LinkEvent event;
  };

  Napi::Value addFabric(const Napi::CallbackInfo& info);
  Napi::Value removeFabric(const Napi::CallbackInfo& info);
  Napi::Value expect(const Napi::CallbackInfo& info);
  Napi::Value configure(const Napi::CallbackInfo& info);
  Napi::Value attach(const Napi::CallbackInfo& info);
  Napi::Value attachMemory(const Napi::CallbackInfo& info);
  Napi::Value attachPatch(const Napi::CallbackInfo& info);
  Napi::Value run(const Napi::CallbackInfo& info);
  Napi::Value detach(const Napi::CallbackInfo& info);
  Napi::Value revive(const Napi::CallbackInfo& info);
  Napi::Value endDevice(const Napi::CallbackInfo& info);
  Napi::Value setMtu(const Napi::CallbackInfo& info);
  Napi::Value setCarrier(const Napi::CallbackInfo& info);
  Napi::Value share(const Napi::CallbackInfo& info);
  Napi::Value apply(const Napi::CallbackInfo& info);
  Napi::Value latest(const Napi::CallbackInfo& info);
  Napi::Value settled(const Napi::CallbackInfo& info);
  Napi::Value poll(const Napi::CallbackInfo& info);
  Napi::Value advance(const Napi::CallbackInfo& info);
  Napi::Value now(const Napi::CallbackInfo& info);
  Napi::Value leastLoaded(const Napi::CallbackInfo& info);
  Napi::Value useBridge(const Napi::CallbackInfo& info);
  Napi::Value commit(const Napi::CallbackInfo& info);
  Napi::Value published(const Napi::CallbackInfo& info);
  Napi::Value consume(const Napi::CallbackInfo& info);
  Napi::Value rearm(const Napi::CallbackInfo& info);
  Napi::Value taken(const Napi::CallbackInfo& info);
  Napi::Value portStats(const Napi::CallbackInfo& info);
  Napi::Value pathStats(const Napi::CallbackInfo& info);
  Napi::Value addresses(const Napi::CallbackInfo& info);
  Napi::Value startCapture(const Napi::CallbackInfo& info);
  Napi::Value endCapture(const Napi::CallbackInfo& info);
  Napi::Value captureState(const Napi::CallbackInfo& info);
  Napi::Value forgetCapture(const Napi::CallbackInfo& info);
  Napi::Value lateness(const Napi::CallbackInfo& info);
  Napi::Value watchLinks(const Napi::CallbackInfo& info);
  Napi::Value watchSocket(const Napi::CallbackInfo& info);
  Napi::Value unwatch(const Napi::CallbackInfo& info);
  Napi::Value keepAlive(const Napi::CallbackInfo& info);
  Napi::Value ioName(const Napi::CallbackInfo& info);
  Napi::Value ref(const Napi::CallbackInfo& info);
  Napi::Value unref(const Napi::CallbackInfo& info);
  Napi::Value close(const Napi::CallbackInfo& info);

  static void environmentEnds(void* self);
  std::size_t shutDown();
  [[nodiscard]] Result<DescriptorWatch*> watcher();
  template <typename News>
  void tell(std::vector<News>& list, News news);

  Policies policies_;  // before the engine, whose paths point into it
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<DescriptorWatch> watch_;  // once something is watched
  std::mutex newsMutex_;                    // set-up only; guards news_ and readySockets_
  std::vector<LinkNews> news_;
  std::vector<std::uint32_t> readySockets_;
  std::unordered_map<std::uint16_t, Bridge> bridges_;
  Napi::ThreadSafeFunction wake_;
};

}  // namespace etherloom
