// Calls of the addon as plain C++: a method or function with typed arguments, converted and checked from what
// JavaScript gave, one rule per type. JavaScript thread only.
//
// lib/ has checked what users say, so of values only the types are checked. Numbers that stand for something
// of an engine are checked here: a port, a fabric or a capture may have gone since JavaScript learned its
// number, and an engine may have closed, or be in the middle of advance(). Such a call throws and does
// nothing.
#pragma once

#include <napi.h>

#include <concepts>
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

#include "binding/convert.hpp"
#include "runtime/engine.hpp"

namespace etherloom {

class EngineObject;

/// The arguments of one call, taken in their order.
class Arguments {
 public:
  explicit Arguments(const Napi::CallbackInfo& info) : info_(info) {}

  /// The engine that the call is for, which must be one that can be used now.
  void use(EngineObject& engine);
  template <typename T>
  auto next() {
    const Napi::Value value = info_[index_++];
    if constexpr (std::same_as<T, EngineObject&>) {
      return engineIn(value);
    } else if constexpr (std::is_lvalue_reference_v<T>) {
      return value.IsExternal() ? value.As<Napi::External<std::remove_reference_t<T>>>().Data()
                                : refuse<std::remove_reference_t<T>>("this is not what the call is for");
    } else if constexpr (std::same_as<T, PortId> || std::same_as<T, FabricId> || std::same_as<T, CaptureId>) {
      return numbered<T>(value);
    } else if constexpr (std::same_as<T, std::optional<PortId>>) {  // nothing for a negative number
      const bool none = value.IsNumber() && value.As<Napi::Number>().DoubleValue() < 0;
      return none ? std::optional<PortId>() : numbered<PortId>(value);
    } else if constexpr (std::same_as<T, bool>) {
      return is(value.IsBoolean()) && value.As<Napi::Boolean>().Value();
    } else if constexpr (std::same_as<T, std::string>) {
      return is(value.IsString()) ? value.As<Napi::String>().Utf8Value() : std::string{};
    } else if constexpr (std::same_as<T, Duration>) {
      bool lossless = false;
      return Duration{is(value.IsBigInt()) ? value.As<Napi::BigInt>().Int64Value(&lossless) : 0};
    } else if constexpr (std::integral<T>) {
      return is(value.IsNumber()) ? static_cast<T>(value.As<Napi::Number>().Int64Value()) : T{};
    } else if constexpr (std::same_as<T, Napi::Value>) {
      return value;
    } else {
      return is(isA<T>(value)) ? value.As<T>() : T{};
    }
  }
  /// Why nothing must be done; nothing otherwise.
  [[nodiscard]] const std::optional<std::string>& refusal() const { return refusal_; }

 private:
  static constexpr std::uint32_t nobody = ~std::uint32_t{0};

  EngineObject* engineIn(const Napi::Value& value);
  /// What stands behind the number, which the engine must know.
  template <typename Id>
  Id numbered(const Napi::Value& value) {
    const double given = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : -1;
    const bool possible = given >= 0 && given < nobody;
    const Id id{possible ? static_cast<std::uint32_t>(given) : nobody};
    if (engine_ && !(possible && engine_->knows(id))) stale(id);
    return id;
  }
  /// Passes on whether an argument is of its type, and refuses the call where it is not.
  bool is(bool right) {
    if (!right) refuse<void>("an argument has the wrong type");
    return right;
  }
  template <typename T>
  static bool isA(const Napi::Value& value) {
    if constexpr (std::same_as<T, Napi::Object>) {
      return value.IsObject();
    } else if constexpr (std::same_as<T, Napi::Array>) {
      return value.IsArray();
    } else if constexpr (std::same_as<T, Napi::Function>) {
      return value.IsFunction();
    } else if constexpr (std::same_as<T, Napi::ArrayBuffer>) {
      return value.IsArrayBuffer();
    } else if constexpr (std::same_as<T, Napi::Number>) {
      return value.IsNumber();
    } else if constexpr (std::same_as<T, Napi::BigInt>) {
      return value.IsBigInt();
    } else if constexpr (std::same_as<T, Napi::Uint8Array>) {
      return holds(value, napi_uint8_array);
    } else {
      static_assert(std::same_as<T, Napi::Uint32Array>, "say here how to tell such values");
      return holds(value, napi_uint32_array);
    }
  }
  static bool holds(const Napi::Value& value, napi_typedarray_type type) {
    return value.IsTypedArray() && value.As<Napi::TypedArray>().TypedArrayType() == type;
  }
  template <typename T>
  T* refuse(const char* why) {
    if (!refusal_) refusal_ = why;
    return nullptr;
  }
  void stale(PortId) { refuse<void>("the port is not attached any more; attach it first"); }
  void stale(FabricId) { refuse<void>("the fabric is closed; make a new one"); }
  void stale(CaptureId) { refuse<void>("the capture has ended; start a new one"); }

  const Napi::CallbackInfo& info_;
  std::size_t index_ = 0;
  const Engine* engine_ = nullptr;
  std::optional<std::string> refusal_;
};

inline Napi::Value give(Napi::Env env, bool value) { return Napi::Boolean::New(env, value); }
inline Napi::Value give(Napi::Env env, Instant instant) {
  return Napi::BigInt::New(env, instant.nanoseconds);
}
inline Napi::Value give(Napi::Env env, const char* text) { return Napi::String::New(env, text); }
inline Napi::Value give(Napi::Env env, const std::string& text) { return Napi::String::New(env, text); }
inline Napi::Value give(Napi::Env, Napi::Value value) { return value; }
template <typename T>
requires(std::integral<T> && !std::same_as<T, bool>) || std::is_enum_v<T> Napi::Value
    give(Napi::Env env, T number) {
  return Napi::Number::New(env, static_cast<double>(number));
}
template <typename T>
Napi::Value give(Napi::Env env, const Result<T>& result) {
  if (!result) return raise(env, result.error());
  if constexpr (std::is_void_v<T>) {
    return env.Undefined();
  } else {
    return give(env, *result);
  }
}
template <typename T>
Napi::Value give(Napi::Env env, const std::optional<T>& value) {
  return value ? give(env, *value) : env.Undefined();
}

template <typename Parameter, typename Value>
decltype(auto) asParameter(const Value& value) {
  if constexpr (std::is_lvalue_reference_v<Parameter>) {
    return *value;
  } else {
    return Parameter(value);
  }
}

/// Reads the arguments of `function` from a call, and gives back what it returns.
template <typename... Parameters, typename Function>
Napi::Value carryOut(const Napi::CallbackInfo& info, Arguments& arguments, Function&& function) {
  // Braces keep the order.
  const auto values = std::tuple{arguments.next<Parameters>()...};
  if (arguments.refusal()) return raiseState(info.Env(), *arguments.refusal());
  const auto run = [&](const auto&... given) -> decltype(auto) {
    return function(asParameter<Parameters>(given)...);
  };
  using Returned = decltype(std::apply(run, values));
  if constexpr (std::is_void_v<Returned>) {
    std::apply(run, values);
    return info.Env().Undefined();
  } else {
    return give(info.Env(), std::apply(run, values));
  }
}

template <typename Returned, typename... Parameters>
Napi::Value carryOut(const Napi::CallbackInfo& info, Returned (*function)(Napi::Env, Parameters...)) {
  Arguments arguments(info);
  return carryOut<Parameters...>(info, arguments, [&](auto&&... given) -> decltype(auto) {
    return function(info.Env(), std::forward<decltype(given)>(given)...);
  });
}

/// A function of the addon: `Function` takes the environment and the call's arguments.
template <auto Function>
Napi::Value call(const Napi::CallbackInfo& info) {
  return carryOut(info, Function);
}

}  // namespace etherloom
