// Where a stream of bytes goes: a file, a FIFO that somebody reads, a Unix socket that somebody listens on,
// or one whose other end somebody has. Opened on the control thread, then used by one thread. Nothing here
// waits but wait().
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "os/error.hpp"
#include "os/fd.hpp"

namespace etherloom {

class Output {
 public:
  /// A file, which is made (mode 0644 less the umask) or emptied, or a FIFO.
  [[nodiscard]] static Result<Output> file(const std::string& path);
  /// A stream socket in the file system.
  [[nodiscard]] static Result<Output> socket(const std::string& path);
  /// A connected stream socket, of which it takes a descriptor of its own.
  [[nodiscard]] static Result<Output> connected(int fd);

  /// As many of the bytes as are taken now, from the first on; may be 0. An error when nobody reads any more
  /// (EPIPE), or the device is full.
  [[nodiscard]] Result<std::size_t> write(std::span<const std::byte> bytes) noexcept;
  /// Waits until more may be taken, at most so long.
  void wait(int milliseconds) noexcept;
  /// Whether the reader has gone.
  [[nodiscard]] bool abandoned() const noexcept;

 private:
  Output(Fd fd, bool isSocket) : fd_(std::move(fd)), isSocket_(isSocket) {}

  Fd fd_;
  bool isSocket_;
};

}  // namespace etherloom
