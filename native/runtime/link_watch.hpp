// One thread that waits for news of interfaces, in any number of network namespaces, for as long as an engine
// needs it. Made, told and ended by the control thread; `report` is called from the watching thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <thread>

#include "os/doorbell.hpp"
#include "os/link_monitor.hpp"
#include "os/readiness.hpp"

namespace etherloom {

class LinkWatch {
 public:
  /// `watch` is what add() returned for the namespace of the event.
  using Report = std::function<void(std::uint32_t watch, const LinkEvent& event)>;

  [[nodiscard]] static Result<std::unique_ptr<LinkWatch>> create(Report report);
  ~LinkWatch();

  /// Watches one namespace; a null pointer means the calling thread's.
  [[nodiscard]] Result<std::uint32_t> add(const NetworkNamespace* networkNamespace);
  void remove(std::uint32_t watch);

 private:
  LinkWatch(Readiness readiness, Doorbell doorbell, Report report);
  void run();

  Readiness readiness_;
  Doorbell doorbell_;
  Report report_;
  std::mutex mutex_;  // set-up only; guards monitors_
  std::map<std::uint32_t, LinkMonitor> monitors_;
  std::uint32_t next_ = 1;  // 0 is the doorbell
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace etherloom
