// The addon's entry: the engine, what the files of binding/ export, and the tables that both halves share.
#include <napi.h>

#include "binding/engine.hpp"
#include "binding/exports.hpp"
#include "frame/drop.hpp"
#include "impairments/impairment.hpp"
#include "runtime/events.hpp"

namespace etherloom {
namespace {

template <typename Names>
Napi::Value list(Napi::Env env, const Names& names) {
  auto array = Napi::Array::New(env);
  for (const std::string_view name : names) array.Set(array.Length(), std::string(name));
  return array;
}

Napi::Object start(Napi::Env env, Napi::Object exports) {
  exports.Set("Engine", EngineObject::define(env));
  for (const Exports* each : Exports::all()) {
    for (const auto& [name, call] : each->calls) exports.Set(name, Napi::Function::New(env, call, name));
  }
  exports.Set("dropReasons", list(env, dropReasonNames));
  exports.Set("events", list(env, eventNames));
  exports.Set("traffic", list(env, trafficNames));
  std::vector<std::string_view> impairments;
  for (const ImpairmentKind* kind : ImpairmentKind::all()) impairments.push_back(kind->name);
  exports.Set("impairments", list(env, impairments));
  return exports;
}

}  // namespace
}  // namespace etherloom

static Napi::Object initialise(Napi::Env env, Napi::Object exports) { return etherloom::start(env, exports); }
NODE_API_MODULE(etherloom, initialise)
