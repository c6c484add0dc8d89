// A file descriptor that closes itself. Owned by ports, namespaces and doorbells; used on any thread.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <string>
#include <utility>

#include "os/error.hpp"

namespace etherloom {

class Fd {
 public:
  Fd() = default;
  explicit Fd(int number) : number_(number) {}
  Fd(Fd&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) reset(std::exchange(other.number_, -1));
    return *this;
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd() { reset(); }

  explicit operator bool() const { return number_ >= 0; }
  [[nodiscard]] int get() const { return number_; }
  [[nodiscard]] int release() { return std::exchange(number_, -1); }
  void reset(int number = -1) {
    if (number_ >= 0) ::close(number_);
    number_ = number;
  }

 private:
  int number_ = -1;
};

/// A descriptor of our own for what another's refers to.
[[nodiscard]] inline Result<Fd> duplicate(int number) {
  Fd own(::fcntl(number, F_DUPFD_CLOEXEC, 0));
  if (!own)
    return Error::last("fcntl F_DUPFD_CLOEXEC", "descriptor " + std::to_string(number) + " cannot be used");
  return own;
}

}  // namespace etherloom
