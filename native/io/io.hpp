// How bytes enter and leave the process: the contract between a worker, its ports and the kernel.
//
// One Io per worker, made by the control thread before the worker starts, then used on that worker's thread
// only (a ring that insists on its thread is enabled in its first turn).
//  1. Only turn() may block; everything else returns at once.
//  2. read() arms a frame device (TAP, message socket): one read is one frame. Its frames come out of take().
//     Where the pool has no buffer, the frames wait in the device (io_uring) or are read and counted (epoll).
//  3. watch() is for ports that do their own system calls (recvmmsg, mapped rings): they only learn that they
//  are ready. whenWritable() adds, once, that a full device takes bytes again.
//  4. write() takes the item whatever happens. The end of every write reaches its Completions exactly once,
//     during write() itself or during a later turn(); until then the frame's bytes belong to the kernel.
//  5. After forget() no readiness is reported for the descriptor; completions of its writes still arrive.
//  6. Ready is said once for what has arrived: whoever hears it receives until it is drained.
//  7. A PortKey carries a generation: a late report finds nobody.
#pragma once

#include <cstdint>
#include <memory>

#include "frame/batch.hpp"
#include "os/clock.hpp"
#include "os/error.hpp"

namespace etherloom {

struct PortKey {
  std::uint32_t index = 0;
  std::uint32_t generation = 0;
  bool operator==(const PortKey&) const = default;
};

/// What a receive found: more is there, nothing more now, or the device is gone.
enum class RxState : std::uint8_t { More, Drained, Failed };

/// Who hears how writes ended. Every port is one.
class Completions {
 public:
  /// These frames were written whole, in this order.
  virtual void written(std::span<const TxItem> items) noexcept = 0;
  /// This one was not; `error` is the errno.
  virtual void failed(TxItem item, int error) noexcept = 0;

 protected:
  ~Completions() = default;
};

/// Who hears which ports can be received from. The worker.
class ReadySink {
 public:
  virtual void ready(PortKey key) noexcept = 0;

 protected:
  ~ReadySink() = default;
};

/// How one frame device is read.
struct ReadShape {
  std::uint16_t prefix = 0;  ///< bytes before each frame: 12 with a virtio-net header, else 0
  std::uint32_t limit = 0;   ///< the longest frame that is wanted whole; a longer one is cut to limit + 1
};

/// One armed descriptor. Belongs to the Io; a port keeps only the pointer, until it forgets the descriptor.
class Reader {
 public:
  virtual ~Reader() = default;
  int error = 0;  ///< the errno behind RxState::Failed
};

class Io {
 public:
  virtual ~Io() = default;

  [[nodiscard]] virtual Result<Reader*> read(PortKey key, int fd, ReadShape shape) = 0;
  [[nodiscard]] virtual Result<void> watch(PortKey key, int fd) = 0;
  /// Says ready once, when a watched descriptor that took no more takes bytes again; asked again before that,
  /// still once.
  virtual void whenWritable(PortKey key, int fd) noexcept = 0;
  virtual void forget(int fd) noexcept = 0;

  /// Moves frames of an armed descriptor into the burst, at most room().
  [[nodiscard]] virtual RxState take(Reader& reader, RxBurst& burst) noexcept = 0;
  /// Writes the frame and the `prefix` bytes that stand before it.
  virtual void write(Completions& port, int fd, TxItem item, std::uint16_t prefix) noexcept = 0;

  /// Submits what is staged, waits until something happens or `deadline`, reports ready ports and ended
  /// writes.
  virtual void turn(Instant now, Instant deadline, ReadySink& sink) noexcept = 0;

  /// System calls so far.
  [[nodiscard]] std::uint64_t calls() const noexcept { return calls_; }

  /// The name that `doctor` and `show` print.
  [[nodiscard]] virtual const char* name() const noexcept = 0;

 protected:
  std::uint64_t calls_ = 0;
};

}  // namespace etherloom
