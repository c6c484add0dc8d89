#include "binding/engine.hpp"

namespace etherloom {
namespace {

/// -1 for a port that has left.
Napi::Value numberOf(Napi::Env env, std::optional<PortId> port) {
  return port ? give(env, *port) : Napi::Number::New(env, -1);
}

/// poll() → [{kind, ...}...]: what happened since the last call; carries tickets forward
Napi::Value poll(EngineObject& engine) {
  const Napi::Env env = engine.Env();
  auto happened = Napi::Array::New(env);
  engine.native().poll([&](const Event& event) {
    auto object = Napi::Object::New(env);
    object.Set("kind", static_cast<std::uint32_t>(event.kind));
    if (event.kind == EventKind::PortDown) {
      object.Set("port", static_cast<std::uint32_t>(event.port));
      object.Set("errno", event.error);
    } else if (event.kind == EventKind::StormBegins) {
      object.Set("fabric", event.fabric);
      object.Set("port", static_cast<std::uint32_t>(event.port));
      object.Set("traffic", static_cast<std::uint32_t>(event.traffic));
      object.Set("at", give(env, event.at));
    } else {
      object.Set("fabric", event.fabric);
      object.Set("address", Napi::BigInt::New(env, event.address.value));
      object.Set("from", numberOf(env, event.from));
      object.Set("to", numberOf(env, event.to));
      object.Set("at", give(env, event.at));
    }
    happened.Set(happened.Length(), object);
  });
  engine.watches().report(happened);
  return happened;
}

/// advance(duration): ends at the first instant at which poll() has something to report
void advance(EngineObject& engine, Duration duration) { engine.advance(duration); }

void ref(EngineObject& engine) { engine.keepAlive(true); }

void unref(EngineObject& engine) { engine.keepAlive(false); }

/// lateness(worker) → {longest, count of each bucket...}
Napi::Value lateness(EngineObject& engine, std::uint32_t worker) {
  return words(engine.Env(), engine.native().lateness(worker));
}

const EngineMethods engineMethods{EngineObject::method<&Engine::latest>("latest"),
                                  EngineObject::method<&Engine::settled>("settled"),
                                  EngineObject::method<poll>("poll"),
                                  EngineObject::method<advance>("advance"),
                                  EngineObject::method<&Engine::now>("now"),
                                  EngineObject::method<&Engine::leastLoaded>("leastLoaded"),
                                  EngineObject::method<lateness>("lateness"),
                                  EngineObject::method<&Engine::ioName>("ioName"),
                                  EngineObject::method<ref>("ref"),
                                  EngineObject::method<unref>("unref")};

}  // namespace

Napi::Function EngineObject::define(Napi::Env env) {
  std::vector<PropertyDescriptor> all{InstanceMethod<&EngineObject::close>("close")};
  for (const EngineMethods* each : EngineMethods::all())
    all.insert(all.end(), each->methods.begin(), each->methods.end());
  return DefineClass(env, "Engine", all);
}

// new Engine({virtual, workers, seed, memory, io, spin}, wake)
EngineObject::EngineObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<EngineObject>(info) {
  const auto options = info[0].As<Napi::Object>();
  EngineOptions asked;
  asked.clock = flag(options, "virtual") ? Clock::Kind::Virtual : Clock::Kind::Real;
  asked.workers = number(options, "workers");
  asked.seed = unsigned64(options.Get("seed"));
  asked.memory = static_cast<std::size_t>(real(options, "memory"));
  const std::string io = text(options, "io");
  asked.io = io == "io_uring" ? IoKind::Uring : io == "epoll" ? IoKind::Epoll : IoKind::Best;
  const std::int64_t spin = signed64(options, "spin");
  asked.spin = spin < 0 ? forever : Duration{spin};

  // One call may wait in the queue: a second wake-up before the first is served would say nothing new.
  wake_ = Napi::ThreadSafeFunction::New(info.Env(), info[1].As<Napi::Function>(), "etherloom", 1, 1);
  auto engine = Engine::create(asked, waker());
  if (!engine) {
    wake_.Release();
    raise(info.Env(), engine.error());
    return;
  }
  engine_ = std::move(*engine);
  watches_.emplace(waker());
  napi_add_env_cleanup_hook(info.Env(), environmentEnds, this);
}

EngineObject::~EngineObject() { shutDown(); }

void EngineObject::environmentEnds(void* self) { static_cast<EngineObject*>(self)->shutDown(); }

const char* EngineObject::unusable() const {
  if (!engine_) return "the engine is closed; make a new one";
  if (advancing_) return "the clock is being advanced; do it after that has returned";
  return nullptr;
}

EngineObject* Arguments::engineIn(const Napi::Value& value) {
  EngineObject* const engine =
      value.IsObject() ? EngineObject::Unwrap(value.As<Napi::Object>()) : refuse<EngineObject>("no engine");
  if (engine) use(*engine);
  return engine;
}

void Arguments::use(EngineObject& engine) {
  if (const char* why = engine.unusable()) {
    refuse<void>(why);
  } else {
    engine_ = &engine.native();
  }
}

// Idempotent. Threads are joined before anything that they could call is gone.
std::size_t EngineObject::shutDown() {
  if (!engine_) return 0;
  napi_remove_env_cleanup_hook(Env(), environmentEnds, this);
  watches_.reset();
  const std::size_t outstanding = engine_->close();
  engine_.reset();
  wake_.Release();
  return outstanding;
}

// A memory bridge may call JavaScript meanwhile, to make room: that takes frames and nothing else.
void EngineObject::advance(Duration duration) {
  advancing_ = true;
  engine_->advance(duration, true);
  advancing_ = false;
}

// close() → frames that were still referenced, which is 0
Napi::Value EngineObject::close(const Napi::CallbackInfo& info) {
  if (advancing_) return raiseState(info.Env(), unusable());
  return give(info.Env(), shutDown());
}

}  // namespace etherloom
