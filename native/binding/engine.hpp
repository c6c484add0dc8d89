// The addon's one class: an Engine with what JavaScript needs around it. lib/binding.ts declares its surface.
// JavaScript thread only, but for what waker() returns and tell(), which other threads call.
#pragma once

#include <napi.h>

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "binding/call.hpp"
#include "binding/device.hpp"
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

  /// The engine behind it. Only while it can be used.
  [[nodiscard]] Engine& native() { return *engine_; }
  /// Why it cannot be used now; nullptr when it can.
  [[nodiscard]] const char* unusable() const;
  /// Has JavaScript poll soon. What this returns may be called on any thread, until the engine closes.
  [[nodiscard]] std::function<void()> waker() {
    return [wake = wake_] { wake.NonBlockingCall(); };
  }
  /// A watch of the descriptor, which poll() reports once.
  [[nodiscard]] Result<std::uint32_t> watch(int descriptor, DescriptorWatch::What what);

 private:
  struct LinkNews {
    std::uint32_t watch;
    LinkEvent event;
  };

  Result<FabricId> addFabric(std::string name, std::string kind, bool forwarding, Napi::Object settings);
  void expect(FabricId fabric, std::string name, Napi::Value settings);
  Ticket configure(PortId port, Napi::Object settings);
  Result<PortId> attach(FabricId fabric, std::string name, Device& device);
  Result<Ticket> revive(PortId port, Device& device);
  std::uint64_t share(std::uint32_t kind, Napi::Uint8Array bytes);
  Napi::Value apply(FabricId fabric, Napi::Uint8Array policies, Napi::Uint32Array triples, bool flush);
  Napi::Value poll();
  void advance(Duration duration);
  Napi::Value portStats(PortId port);
  Napi::Value pathStats(PortId from, PortId to);
  Napi::Value addresses(FabricId fabric);
  Napi::Value startCapture(const Napi::CallbackInfo& info);
  Napi::Value captureState(CaptureId capture);
  Napi::Value lateness(std::uint32_t worker);
  Result<std::uint32_t> watchLinks(Napi::Value where);
  void unwatch(std::uint32_t watch);
  void ref();
  void unref();
  Napi::Value close(const Napi::CallbackInfo& info);

  /// A method of this class or of Engine, with its arguments checked and converted.
  template <auto Method>
  static auto method(const char* name) {
    return InstanceMethod<&EngineObject::callMethod<Method>>(name);
  }
  template <auto Method>
  Napi::Value callMethod(const Napi::CallbackInfo& info) {
    return callOn(info, Method);
  }
  template <typename Returned, typename Class, typename... Parameters>
  Napi::Value callOn(const Napi::CallbackInfo& info, Returned (Class::*function)(Parameters...));
  template <typename Returned, typename... Parameters>
  Napi::Value callOn(const Napi::CallbackInfo& info, Returned (Engine::*function)(Parameters...) const);

  static void environmentEnds(void* self);
  std::size_t shutDown();
  [[nodiscard]] Result<DescriptorWatch*> watcher();
  template <typename News>
  void tell(std::vector<News>& list, News news);

  Policies policies_;  // before the engine, whose paths point into it
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<DescriptorWatch> watch_;  // once something is watched
  std::mutex newsMutex_;                    // set-up only; guards news_ and ready_
  std::vector<LinkNews> news_;
  std::vector<std::uint32_t> ready_;
  Napi::ThreadSafeFunction wake_;
  bool advancing_ = false;
};

template <typename Returned, typename Class, typename... Parameters>
Napi::Value EngineObject::callOn(const Napi::CallbackInfo& info, Returned (Class::*function)(Parameters...)) {
  Arguments arguments(info);
  arguments.use(*this);
  return carryOut<Parameters...>(info, arguments, [&](auto&&... given) -> decltype(auto) {
    if constexpr (std::same_as<Class, Engine>) {
      return (engine_.get()->*function)(std::forward<decltype(given)>(given)...);
    } else {
      return (this->*function)(std::forward<decltype(given)>(given)...);
    }
  });
}

template <typename Returned, typename... Parameters>
Napi::Value EngineObject::callOn(const Napi::CallbackInfo& info,
                                 Returned (Engine::*function)(Parameters...) const) {
  Arguments arguments(info);
  arguments.use(*this);
  return carryOut<Parameters...>(info, arguments, [&](auto&&... given) -> decltype(auto) {
    return (engine_.get()->*function)(std::forward<decltype(given)>(given)...);
  });
}

}  // namespace etherloom
