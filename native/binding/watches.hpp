// What is watched for JavaScript beside the engine: the interfaces of network namespaces, and sockets on
// their way to a port. What one thread hears waits here until JavaScript polls. JavaScript thread only.
#pragma once

#include <napi.h>

#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "os/descriptor_watch.hpp"
#include "os/link_monitor.hpp"

namespace etherloom {

class Watches {
 public:
  /// `wake` has JavaScript poll soon; called from the watching thread.
  explicit Watches(std::function<void()> wake) : wake_(std::move(wake)) {}

  /// Of the interfaces of a namespace, nullptr for the process's own, until it is removed.
  [[nodiscard]] Result<std::uint32_t> addLinks(const NetworkNamespace* networkNamespace);
  /// Of a descriptor, which is reported once.
  [[nodiscard]] Result<std::uint32_t> add(int descriptor, DescriptorWatch::What what);
  void remove(std::uint32_t watch) {
    if (watch_) watch_->remove(watch);
  }
  /// Appends what has happened since the last call: {socket}, or {watch, change, nsid, moved, newNsid,
  /// newIndex} with what describe() says of the interface.
  void report(Napi::Array& happened);

 private:
  struct LinkNews {
    std::uint32_t watch;
    LinkEvent event;
  };
  [[nodiscard]] Result<DescriptorWatch*> watcher();
  template <typename News>
  void tell(std::vector<News>& list, News news);

  std::function<void()> wake_;
  std::mutex mutex_;  // set-up only; guards links_ and ready_
  std::vector<LinkNews> links_;
  std::vector<std::uint32_t> ready_;
  std::unique_ptr<DescriptorWatch> watch_;  // once something is watched
};

}  // namespace etherloom
