// Anonymous memory straight from the kernel: address space now, pages with use.
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
    Mapping mapping;
    void* start =
        mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (start == MAP_FAILED) return Error::last("mmap", "no address space; give the engine less memory");
    mapping.start_ = static_cast<std::byte*>(start);
    mapping.size_ = size;
    return mapping;
  }
  /// Page aligned and zero.
  [[nodiscard]] std::byte* start() const { return start_; }

 private:
  std::byte* start_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace etherloom
