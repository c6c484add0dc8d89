// Between JavaScript values and ours. lib/ has checked every value before it comes here, so these only
// convert. JavaScript thread only.
#pragma once

#include <napi.h>

#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "filters/program.hpp"
#include "os/error.hpp"
#include "os/interface.hpp"
#include "os/namespace.hpp"

namespace etherloom {

/// What lib/values/errors.ts turns into an EtherloomError.
inline Napi::Error toJavaScript(Napi::Env env, const Error& error) {
  Napi::Error thrown = Napi::Error::New(env, error.message);
  thrown.Set("errno", Napi::Number::New(env, error.number));
  thrown.Set("syscall", Napi::String::New(env, error.call));
  return thrown;
}

inline Napi::Value raise(Napi::Env env, const Error& error) {
  toJavaScript(env, error).ThrowAsJavaScriptException();
  return env.Undefined();
}

/// For what cannot be done now, or no more: ERR_ETHERLOOM_STATE.
inline Napi::Value raiseState(Napi::Env env, const std::string& why) {
  Napi::Error thrown = toJavaScript(env, {0, "", why});
  thrown.Set("code", Napi::String::New(env, "ERR_ETHERLOOM_STATE"));
  thrown.ThrowAsJavaScriptException();
  return env.Undefined();
}

inline bool given(const Napi::Value& value) { return !value.IsUndefined() && !value.IsNull(); }
inline bool given(const Napi::Object& options, const char* key) { return given(options.Get(key)); }
inline std::string text(const Napi::Object& options, const char* key) {
  const Napi::Value value = options.Get(key);
  return given(value) ? value.As<Napi::String>().Utf8Value() : std::string{};
}
inline bool flag(const Napi::Object& options, const char* key) {
  const Napi::Value value = options.Get(key);
  return given(value) && value.As<Napi::Boolean>().Value();
}
inline std::uint32_t number(const Napi::Object& options, const char* key) {
  const Napi::Value value = options.Get(key);
  return given(value) ? value.As<Napi::Number>().Uint32Value() : 0;
}
inline double real(const Napi::Object& options, const char* key) {
  const Napi::Value value = options.Get(key);
  return given(value) ? value.As<Napi::Number>().DoubleValue() : 0;
}
inline std::uint64_t unsigned64(const Napi::Value& value) {
  bool lossless = false;
  return value.As<Napi::BigInt>().Uint64Value(&lossless);
}
inline std::int64_t signed64(const Napi::Object& options, const char* key) {
  const Napi::Value value = options.Get(key);
  bool lossless = false;
  return given(value) ? value.As<Napi::BigInt>().Int64Value(&lossless) : 0;
}

/// What consists of nothing but numbers of 64 bits, as a BigUint64Array of these.
template <typename Value>
Napi::Value words(Napi::Env env, const Value& value) {
  static_assert(std::is_trivially_copyable_v<Value> && sizeof value % sizeof(std::uint64_t) == 0);
  auto array = Napi::BigUint64Array::New(env, sizeof value / sizeof(std::uint64_t));
  std::memcpy(array.Data(), &value, sizeof value);
  return array;
}

/// A value of ours that JavaScript keeps, as an External: it goes with the last reference to it.
template <typename T>
Napi::Value hand(Napi::Env env, T value) {
  return Napi::External<T>::New(env, new T(std::move(value)), [](Napi::Env, T* each) { delete each; });
}

/// Instructions in the bytes of a Uint8Array, eight to each.
inline std::vector<FilterInstruction> instructions(const Napi::Value& value) {
  if (!value.IsTypedArray()) return {};
  const auto bytes = value.As<Napi::Uint8Array>();
  std::vector<FilterInstruction> program(bytes.ByteLength() / sizeof(FilterInstruction));
  std::memcpy(program.data(), bytes.Data(), program.size() * sizeof(FilterInstruction));
  return program;
}

/// A namespace that openNamespace() or createNamespace() handed out; nullptr for the process's own.
inline const NetworkNamespace* networkNamespace(const Napi::Value& handle) {
  return given(handle) ? handle.As<Napi::External<NetworkNamespace>>().Data() : nullptr;
}
inline const NetworkNamespace* networkNamespace(const Napi::Object& options) {
  return networkNamespace(options.Get("namespace"));
}

/// Does `work` on a thread of libuv's pool and settles a promise with what `convert` makes of its result.
/// `kept` values stay alive until then.
template <typename T>
class Task final : public Napi::AsyncWorker {
 public:
  using Work = std::function<Result<T>()>;
  using Convert = std::function<Napi::Value(Napi::Env, T&&)>;

  static Napi::Value run(Napi::Env env, const Napi::Value& kept, Work work, Convert convert) {
    auto* task = new Task(env, std::move(work), std::move(convert));
    if (kept.IsObject()) task->kept_ = Napi::Persistent(kept.As<Napi::Object>());
    task->Queue();
    return task->deferred_.Promise();
  }

 private:
  Task(Napi::Env env, Work work, Convert convert)
      : Napi::AsyncWorker(env), deferred_(env), work_(std::move(work)), convert_(std::move(convert)) {}

  void Execute() override { result_.emplace(work_()); }
  void OnOK() override {
    if (*result_) {
      deferred_.Resolve(convert_(Env(), std::move(**result_)));
    } else {
      deferred_.Reject(toJavaScript(Env(), result_->error()).Value());
    }
  }

  Napi::Promise::Deferred deferred_;
  Napi::ObjectReference kept_;
  Work work_;
  Convert convert_;
  std::optional<Result<T>> result_;
};

}  // namespace etherloom
