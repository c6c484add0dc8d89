// One thread that waits for sockets on their way to a port, for as long as an engine needs it: those that
// listen, and those that connect. Made, told and ended by the control thread; `report` is called from the
// watching thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <thread>

#include "os/doorbell.hpp"
#include "os/readiness.hpp"

namespace etherloom {

class SocketWatch {
 public:
  /// `watch` is what add() returned.
  using Report = std::function<void(std::uint32_t watch)>;

  [[nodiscard]] static Result<std::unique_ptr<SocketWatch>> create(Report report);
  ~SocketWatch();

  enum class What : std::uint8_t { Readable, Writable };
  /// Reports the socket once, when it is that, or has failed. It stays open until then, or until it is
  /// removed.
  [[nodiscard]] Result<std::uint32_t> add(int fd, What what);
  /// Nothing when it was reported already.
  void remove(std::uint32_t watch);

 private:
  SocketWatch(Readiness readiness, Doorbell doorbell, Report report);
  void run();

  Readiness readiness_;
  Doorbell doorbell_;
  Report report_;
  std::mutex mutex_;  // set-up only; guards sockets_
  std::map<std::uint32_t, int> sockets_;
  std::uint32_t next_ = 1;  // 0 is the doorbell
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace etherloom
