// The addon's one class: an Engine with what JavaScript needs around it. lib/binding.ts declares its surface;
// its methods are in the files of binding/, by subject: engine.cpp has those of its life and its clock.
// JavaScript thread only, but for what waker() returns, which other threads call.
#pragma once

#include <napi.h>

#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "binding/call.hpp"
#include "binding/policies.hpp"
#include "binding/watches.hpp"
#include "os/registered.hpp"
#include "runtime/engine.hpp"

namespace etherloom {

class EngineObject final : public Napi::ObjectWrap<EngineObject> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit EngineObject(const Napi::CallbackInfo& info);
  ~EngineObject() override;

  /// The engine behind it. Only while it can be used, as with what follows.
  [[nodiscard]] Engine& native() { return *engine_; }
  /// Why it cannot be used now; nullptr when it can.
  [[nodiscard]] const char* unusable() const;
  /// Has JavaScript poll soon. What this returns may be called on any thread, until the engine closes.
  [[nodiscard]] std::function<void()> waker() {
    return [wake = wake_] { wake.NonBlockingCall(); };
  }
  [[nodiscard]] Watches& watches() { return *watches_; }
  [[nodiscard]] Policies& policies() { return policies_; }
  /// Whether JavaScript lives as long as the engine.
  void keepAlive(bool keep) { keep ? wake_.Ref(Env()) : wake_.Unref(Env()); }
  void advance(Duration duration);

  /// A method for JavaScript, with its arguments checked and converted: one of Engine, or a function that is
  /// given this object first.
  template <auto Function>
  static PropertyDescriptor method(const char* name) {
    return InstanceMethod<&EngineObject::callMethod<Function>>(name);
  }

 private:
  template <auto Function>
  Napi::Value callMethod(const Napi::CallbackInfo& info) {
    return callOn(info, Function);
  }
  template <typename Returned, typename... Parameters>
  Napi::Value callOn(const Napi::CallbackInfo& info, Returned (*function)(EngineObject&, Parameters...)) {
    return carryOut<Parameters...>(info, [&](auto&&... given) -> decltype(auto) {
      return function(*this, std::forward<decltype(given)>(given)...);
    });
  }
  template <typename Returned, typename... Parameters>
  Napi::Value callOn(const Napi::CallbackInfo& info, Returned (Engine::*function)(Parameters...)) {
    return carryOut<Parameters...>(info, [&](auto&&... given) -> decltype(auto) {
      return (engine_.get()->*function)(std::forward<decltype(given)>(given)...);
    });
  }
  template <typename Returned, typename... Parameters>
  Napi::Value callOn(const Napi::CallbackInfo& info, Returned (Engine::*function)(Parameters...) const) {
    return carryOut<Parameters...>(info, [&](auto&&... given) -> decltype(auto) {
      return (engine_.get()->*function)(std::forward<decltype(given)>(given)...);
    });
  }
  template <typename... Parameters, typename Function>
  Napi::Value carryOut(const Napi::CallbackInfo& info, Function&& function) {
    Arguments arguments(info);
    arguments.use(*this);
    return etherloom::carryOut<Parameters...>(info, arguments, function);
  }
  Napi::Value close(const Napi::CallbackInfo& info);

  static void environmentEnds(void* self);
  std::size_t shutDown();

  Policies policies_;  // before the engine, whose paths point into it
  std::unique_ptr<Engine> engine_;
  std::optional<Watches> watches_;
  Napi::ThreadSafeFunction wake_;
  bool advancing_ = false;
};

/// What a file of the binding adds to the class, as Exports does to the addon.
struct EngineMethods : Registered<EngineMethods> {
  EngineMethods(std::initializer_list<EngineObject::PropertyDescriptor> its) : methods(its) {}

  const std::vector<EngineObject::PropertyDescriptor> methods;
};

}  // namespace etherloom
