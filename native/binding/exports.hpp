// What a file of the binding adds to the addon: functions, and kinds of fabrics. A static object of one of
// these classes in any file of binding/ does it; nothing else has to know of that file.
#pragma once

#include <napi.h>

#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fabrics/fabric.hpp"

namespace etherloom {

/// Functions by the names under which JavaScript finds them.
class Exports {
 public:
  using Call = Napi::Value (*)(const Napi::CallbackInfo&);

  Exports(std::initializer_list<std::pair<const char*, Call>> calls) : calls_(calls), next_(first_) {
    first_ = this;
  }
  static void addAll(Napi::Env env, Napi::Object& exports) {
    for (const Exports* each = first_; each; each = each->next_) {
      for (const auto& [name, call] : each->calls_) exports.Set(name, Napi::Function::New(env, call, name));
    }
  }

 private:
  const std::vector<std::pair<const char*, Call>> calls_;
  const Exports* const next_;
  static inline const Exports* first_ = nullptr;
};

/// A kind of fabric, made with the settings that its class in lib/fabrics/ gives.
class FabricKind {
 public:
  using Make = std::unique_ptr<Fabric> (*)(const Napi::Object& settings);

  FabricKind(std::string_view name, Make how) : name_(name), make_(how), next_(first_) { first_ = this; }
  /// Nothing for a name that no kind has.
  static std::unique_ptr<Fabric> make(std::string_view name, const Napi::Object& settings) {
    for (const FabricKind* each = first_; each; each = each->next_) {
      if (each->name_ == name) return each->make_(settings);
    }
    return nullptr;
  }

 private:
  const std::string_view name_;
  const Make make_;
  const FabricKind* const next_;
  static inline const FabricKind* first_ = nullptr;
};

}  // namespace etherloom
