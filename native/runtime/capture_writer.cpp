#include "runtime/capture_writer.hpp"

#include <algorithm>
#include <chrono>

#include "os/thread.hpp"

namespace etherloom {
namespace {

/// How long records lie in the rings: a ring of 16 MiB takes 13 Gbit/s for so long.
constexpr std::chrono::milliseconds interval{10};

}  // namespace

CaptureWriter::CaptureWriter(const Clock& clock, std::function<void()> tell)
    : clock_(clock), tell_(std::move(tell)), thread_([this] { run(); }) {}

CaptureWriter::~CaptureWriter() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_one();
  thread_.join();
  for (Entry& entry : entries_) entry.finishing = true;
  write(entries_);
}

void CaptureWriter::add(std::shared_ptr<Capture> capture) {
  {
    const std::lock_guard lock(mutex_);
    entries_.push_back({std::move(capture)});
  }
  changed_.notify_one();
}

void CaptureWriter::finish(const Capture& capture) {
  {
    const std::lock_guard lock(mutex_);
    for (Entry& entry : entries_) entry.finishing |= entry.capture.get() == &capture;
  }
  changed_.notify_one();
}

void CaptureWriter::run() {
  blockSignals();
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (entries_.empty()) {
      changed_.wait(lock);
      continue;
    }
    const std::vector<Entry> given = entries_;
    lock.unlock();
    write(given);
    lock.lock();
    const auto ended = [](const Entry& entry) { return entry.capture->state() != Capture::State::Running; };
    if (std::erase_if(entries_, ended) != 0) tell_();
    const bool urgent =
        std::any_of(entries_.begin(), entries_.end(), [](const Entry& entry) { return entry.finishing; });
    if (!urgent && !stopping_) changed_.wait_for(lock, interval);
  }
}

void CaptureWriter::write(const std::vector<Entry>& entries) const {
  for (const Entry& entry : entries) {
    if (entry.finishing) {
      entry.capture->finish(clock_.now());
    } else {
      static_cast<void>(entry.capture->pump());
    }
  }
}

}  // namespace etherloom
