// Wakes a thread that waits for descriptors. Rung on any thread; watched and cleared by the one thread that
// owns it.
#pragma once

#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>
#include <utility>

#include "os/error.hpp"
#include "os/fd.hpp"

namespace etherloom {

/// An eventfd: readable from the first ring until it is cleared, however often it was rung in between.
class Doorbell {
 public:
  static Result<Doorbell> create() {
    Fd fd(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    if (!fd) return Error::last("eventfd", "cannot create a doorbell");
    return Doorbell(std::move(fd));
  }

  /// From any thread. A full counter (EAGAIN) means that it is ringing already.
  void ring() noexcept {
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = ::write(fd_.get(), &one, sizeof one);
  }

  /// From the owning thread; never blocks. How often it was rung since the last clear.
  std::uint64_t clear() noexcept {
    std::uint64_t rings = 0;
    [[maybe_unused]] const ssize_t length = ::read(fd_.get(), &rings, sizeof rings);
    return rings;
  }

  [[nodiscard]] int fd() const { return fd_.get(); }

 private:
  explicit Doorbell(Fd fd) : fd_(std::move(fd)) {}

  Fd fd_;
};

}  // namespace etherloom
