// SinkPort, for JavaScript.
#include "ports/sink_port.hpp"

#include "binding/call.hpp"
#include "binding/device.hpp"
#include "binding/exports.hpp"

namespace etherloom {
namespace {

/// makeSink() → device
Napi::Value makeSink(Napi::Env env) { return hand(env, Device{std::make_unique<SinkPort>()}); }

const Exports sinkExports{{"makeSink", call<makeSink>}};

}  // namespace
}  // namespace etherloom
