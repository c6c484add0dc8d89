// Memory straight from the kernel: anonymous (address space now, pages with use), or shared with a driver.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <utility>

#include "os/error.hpp"
#include "os/fd.hpp"

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
    return map(size, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0, "no address space is left");
  }
  /// What the driver behind the descriptor shares from `offset` on.
  [[nodiscard]] static Result<Mapping> ofFile(const Fd& fd, off_t offset, std::size_t size) {
    return map(size, MAP_SHARED | MAP_POPULATE, fd.get(), offset, "the kernel shares no memory with us");
  }
  /// Page aligned; anonymous memory is zero.
  [[nodiscard]] std::byte* start() const { return start_; }

 private:
  [[nodiscard]] static Result<Mapping> map(std::size_t size, int flags, int fd, off_t offset,
                                           const char* failure) {
    void* start = mmap(nullptr, size, PROT_READ | PROT_WRITE, flags, fd, offset);
    if (start == MAP_FAILED) return Error::last("mmap", failure);
    Mapping mapping;
    mapping.start_ = static_cast<std::byte*>(start);
    mapping.size_ = size;
    return mapping;
  }

  std::byte* start_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace etherloom
