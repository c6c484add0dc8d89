// The Io of kernels (and sandboxes) without io_uring: level-triggered epoll, and one system call per frame.
// Made by the control thread, used on its worker's.
#pragma once

#include <sys/epoll.h>

#include <array>
#include <memory>
#include <unordered_map>
#include <vector>

#include "io/io.hpp"
#include "os/fd.hpp"

namespace etherloom {

class EpollIo final : public Io {
 public:
  /// `doorbellFd` becoming readable ends a wait; clearing it is the worker's.
  [[nodiscard]] static Result<std::unique_ptr<Io>> create(int doorbellFd);

  [[nodiscard]] Result<Reader*> read(PortKey key, int fd, ReadShape shape) override;
  [[nodiscard]] Result<void> watch(PortKey key, int fd) override;
  void whenWritable(PortKey key, int fd) noexcept override;
  void forget(int fd) noexcept override;
  [[nodiscard]] RxState take(Reader& reader, RxBurst& burst) noexcept override;
  void write(Completions& port, int fd, TxItem item, std::uint16_t prefix) noexcept override;
  void turn(Instant now, Instant deadline, ReadySink& sink) noexcept override;
  [[nodiscard]] const char* name() const noexcept override { return "epoll"; }

 private:
  struct FrameReader final : Reader {
    int fd = -1;
    ReadShape shape;
  };
  struct Writer {
    std::uint64_t mark;
    int fd;
  };
  static constexpr int eventsPerTurn = 256;

  explicit EpollIo(Fd epoll) : epoll_(std::move(epoll)) {}
  [[nodiscard]] Result<void> add(int fd, std::uint64_t mark);
  void change(int fd, std::uint64_t mark, std::uint32_t events) noexcept;
  [[nodiscard]] int wait(Instant now, Instant deadline) noexcept;

  Fd epoll_;
  bool nanoseconds_ = false;  // epoll_pwait2 works here
  std::unordered_map<int, FrameReader> readers_;
  std::vector<Writer> writers_;  // full, and waited for; room for as many as are watched
  std::size_t watched_ = 0;
  std::array<epoll_event, eventsPerTurn> events_;
};

}  // namespace etherloom
