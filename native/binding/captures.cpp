// Captures of an engine, for JavaScript.
#include "binding/engine.hpp"

namespace etherloom {
namespace {

/// startCapture({file | socket | fd, snapLength, count, buffer}, [{from, to, kind, name, description,
/// filter}...]) → capture; `to` is -1 for a port
Napi::Value startCapture(EngineObject& self, Napi::Object options, Napi::Array asked) {
  const Napi::Env env = self.Env();
  Engine& engine = self.native();
  std::vector<CaptureTarget> targets;
  for (std::uint32_t index = 0; index < asked.Length(); ++index) {
    const auto target = asked.Get(index).As<Napi::Object>();
    const PortId from{number(target, "from")};
    const std::optional<PortId> to =
        real(target, "to") < 0 ? std::nullopt : std::optional(PortId{number(target, "to")});
    targets.push_back({from,
                       to,
                       static_cast<Listener::Kind>(number(target, "kind")),
                       {text(target, "name"), text(target, "description"), text(target, "filter")}});
  }
  for (const CaptureTarget& target : targets) {
    if (!engine.knows(target.from) || (target.to && !engine.knows(*target.to)))
      return raiseState(env, "a port to record is not attached any more; attach it first");
  }
  auto output = given(options, "socket") ? Output::socket(text(options, "socket"))
                : given(options, "fd")   ? Output::connected(static_cast<int>(number(options, "fd")))
                                         : Output::file(text(options, "file"));
  if (!output) return raise(env, output.error());
  CaptureSettings settings;
  settings.snapLength = number(options, "snapLength");
  settings.count = static_cast<std::uint64_t>(real(options, "count"));
  settings.buffer = static_cast<std::size_t>(real(options, "buffer"));
  return give(env, engine.startCapture(settings, std::move(*output), targets));
}

/// captureState(capture) → [state, errno, frames, bytes, lost]
Napi::Value captureState(EngineObject& engine, CaptureId id) {
  const Capture& capture = engine.native().capture(id);
  const auto state = capture.state();
  const int failure = state == Capture::State::Failed ? capture.failure() : 0;
  return words(engine.Env(), std::array<std::uint64_t, 5>{static_cast<std::uint64_t>(state),
                                                          static_cast<std::uint64_t>(failure),
                                                          capture.frames(), capture.bytes(), capture.lost()});
}

const EngineMethods captureMethods{EngineObject::method<startCapture>("startCapture"),
                                   EngineObject::method<&Engine::endCapture>("endCapture"),
                                   EngineObject::method<captureState>("captureState"),
                                   EngineObject::method<&Engine::forgetCapture>("forgetCapture")};

}  // namespace
}  // namespace etherloom
