// Memory straight from the kernel: anonymous, whose pages come with use, or what a descriptor shares.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <utility>

#include "os/error.hpp"

namespace etherloom {

class Mapping {
 public:
  Mapping() = default;
  Mapping(Mapping&& other) noexcept
      : start_(std::exchange(other.start_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  Mapping& operator=(Mapping&& other) noexcept {
    std::swap(start_, other.start_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~Mapping() {
    if (start_) munmap(start_, size_);
  }

  [[nodiscard]] static Result<Mapping> create(std::size_t size) {
    return map(size, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
               "no address space; give the engine less memory");
  }
  /// What the kernel and this process both read and write through `fd`.
  [[nodiscard]] static Result<Mapping> share(int fd, std::size_t size, const char* failure) {
    return map(size, MAP_SHARED, fd, failure);
  }
  /// Page aligned and zero.
  [[nodiscard]] std::byte* start() const { return start_; }

 private:
  [[nodiscard]] static Result<Mapping> map(std::size_t size, int flags, int fd, const char* failure) {
    Mapping mapping;
    void* start = mmap(nullptr, size, PROT_READ | PROT_WRITE, flags, fd, 0);
    if (start == MAP_FAILED) return Error::last("mmap", failure);
    mapping.start_ = static_cast<std::byte*>(start);
    mapping.size_ = size;
    return mapping;
  }

  std::byte* start_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace etherloom
