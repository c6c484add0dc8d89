// One thread that waits for descriptors, for as long as an engine needs it: for news of interfaces, and for
// sockets on their way to a port. Made, told and ended by the control thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <thread>

#include "os/doorbell.hpp"

namespace etherloom {

class DescriptorWatch {
 public:
  enum class What : std::uint8_t { Readable, Writable };
  /// What follows when a descriptor is that, or has failed; called on the watching thread, again and again
  /// for as long as it is and this returns true. Must not call the watch.
  using Ready = std::function<bool(std::uint32_t watch)>;

  [[nodiscard]] static Result<std::unique_ptr<DescriptorWatch>> create();
  ~DescriptorWatch();

  /// The descriptor stays open until the watch has ended: by itself or by remove().
  [[nodiscard]] Result<std::uint32_t> add(int fd, What what, Ready ready);
  /// From now on nothing follows any more, and `ready` is gone. Nothing when the watch has ended already.
  void remove(std::uint32_t watch);

 private:
  struct Watched {
    int fd;
    Ready ready;
  };

  DescriptorWatch(Fd epoll, Doorbell doorbell);
  [[nodiscard]] static Result<void> enter(const Fd& epoll, int fd, std::uint32_t key, std::uint32_t events);
  void leave(std::map<std::uint32_t, Watched>::iterator watched);
  void run();

  Fd epoll_;
  Doorbell doorbell_;
  std::mutex mutex_;  // set-up only; guards watched_
  std::map<std::uint32_t, Watched> watched_;
  std::uint32_t next_ = 1;  // 0 is the doorbell
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace etherloom
