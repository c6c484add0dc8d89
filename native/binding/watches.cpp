#include "binding/watches.hpp"

#include <array>

#include "binding/device.hpp"
#include "binding/engine.hpp"

namespace etherloom {
namespace {

/// By LinkEvent::Kind.
constexpr std::array<const char*, 4> linkChanges{"appeared", "changed", "vanished", "overrun"};

/// watchLinks(namespace | undefined) → watch
Result<std::uint32_t> watchLinks(EngineObject& engine, Napi::Value where) {
  return engine.watches().addLinks(networkNamespace(where));
}

void unwatch(EngineObject& engine, std::uint32_t watch) { engine.watches().remove(watch); }

const EngineMethods watchMethods{EngineObject::method<watchLinks>("watchLinks"),
                                 EngineObject::method<unwatch>("unwatch")};

}  // namespace

Result<DescriptorWatch*> Watches::watcher() {
  if (!watch_) {
    auto made = DescriptorWatch::create();
    if (!made) return made.error();
    watch_ = std::move(*made);
  }
  return watch_.get();
}

// Called from the watching thread.
template <typename News>
void Watches::tell(std::vector<News>& list, News news) {
  {
    const std::lock_guard lock(mutex_);
    list.push_back(std::move(news));
  }
  wake_();
}

Result<std::uint32_t> Watches::addLinks(const NetworkNamespace* networkNamespace) {
  auto watcher = this->watcher();
  if (!watcher) return watcher.error();
  auto opened = LinkMonitor::open(networkNamespace);
  if (!opened) return opened.error();
  const auto monitor = std::make_shared<LinkMonitor>(std::move(*opened));
  return (*watcher)->add(monitor->fd(), DescriptorWatch::What::Readable, [this, monitor](auto number) {
    monitor->drain([&](const LinkEvent& event) { tell(links_, {number, event}); });
    return true;
  });
}

Result<std::uint32_t> Watches::add(int descriptor, DescriptorWatch::What what) {
  auto watcher = this->watcher();
  if (!watcher) return watcher.error();
  return (*watcher)->add(descriptor, what, [this](auto number) {
    tell(ready_, number);
    return false;
  });
}

void Watches::report(Napi::Array& happened) {
  std::vector<LinkNews> links;
  std::vector<std::uint32_t> ready;
  {
    const std::lock_guard lock(mutex_);
    links.swap(links_);
    ready.swap(ready_);
  }
  for (const std::uint32_t watch : ready) {
    auto object = Napi::Object::New(happened.Env());
    object.Set("socket", watch);
    happened.Set(happened.Length(), object);
  }
  for (const auto& [watch, event] : links) {
    auto object = describe(happened.Env(), event.link);
    object.Set("watch", watch);
    object.Set("change", linkChanges[static_cast<std::size_t>(event.kind)]);
    object.Set("nsid", event.nsid);
    object.Set("moved", event.moved);
    object.Set("newNsid", event.newNsid);
    object.Set("newIndex", event.newIndex);
    happened.Set(happened.Length(), object);
  }
}

}  // namespace etherloom
