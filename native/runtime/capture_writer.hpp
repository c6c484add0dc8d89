// The one thread of an engine that writes captures, while there are any. Nobody waits for it: it looks every
// few milliseconds. A virtual clock does without it: there the thread that advances writes. Made, told and
// ended by the control thread; `tell` is called from the writing thread.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "capture/capture.hpp"
#include "os/clock.hpp"

namespace etherloom {

class CaptureWriter {
 public:
  /// `tell` is called whenever a capture has ended.
  CaptureWriter(const Clock& clock, std::function<void()> tell);
  /// Finishes what is not finished.
  ~CaptureWriter();

  void add(std::shared_ptr<Capture> capture);
  /// No worker records for it any more: writes the last of it and its end.
  void finish(const Capture& capture);

 private:
  struct Entry {
    std::shared_ptr<Capture> capture;
    bool finishing = false;
  };
  void run();
  /// Writes what there is.
  void write(const std::vector<Entry>& entries) const;

  const Clock& clock_;
  std::function<void()> tell_;
  std::mutex mutex_;  // guards what follows; never held while writing
  std::condition_variable changed_;
  std::vector<Entry> entries_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace etherloom
