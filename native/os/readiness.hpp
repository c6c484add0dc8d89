// A set of descriptors and which of them can be read: epoll(7), for whoever waits outside the frame path.
#pragma once

#include <sys/epoll.h>

#include <cstdint>

#include "os/error.hpp"
#include "os/fd.hpp"

namespace etherloom {

class Readiness {
 public:
  [[nodiscard]] static Result<Readiness> create() {
    Fd fd(epoll_create1(EPOLL_CLOEXEC));
    if (!fd) return Error::last("epoll_create1", "no descriptor to wait with");
    return Readiness(std::move(fd));
  }

  /// Any thread, also while another waits.
  [[nodiscard]] Result<void> add(int fd, std::uint32_t key, std::uint32_t events = EPOLLIN) {
    epoll_event event{};
    event.events = events;
    event.data.u32 = key;
    if (epoll_ctl(set_.get(), EPOLL_CTL_ADD, fd, &event) == 0) return {};
    return Error::last("epoll_ctl", "a descriptor cannot be waited for");
  }
  void remove(int fd) noexcept { epoll_ctl(set_.get(), EPOLL_CTL_DEL, fd, nullptr); }
  /// Waits for the next descriptor that is ready and returns its key.
  [[nodiscard]] std::uint32_t wait() {
    epoll_event event{};
    while (epoll_wait(set_.get(), &event, 1, -1) != 1) {
    }
    return event.data.u32;
  }

 private:
  explicit Readiness(Fd set) : set_(std::move(set)) {}
  Fd set_;
};

}  // namespace etherloom
