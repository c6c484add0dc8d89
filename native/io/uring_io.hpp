// The Io of Linux 6.4 and later: io_uring(7), with one system call per turn for all reads and writes.
// Made by the control thread, used on its worker's.
//
// Theory of operation. A device is cold, and polled, until it has a frame; then it is hot, and each turn asks
// it for a burst of frames, twice as many as it last gave, until it gives fewer than it was asked for. What
// becomes hot while others are busy is read with a call of its own, or its frames would wait for two bursts
// of theirs instead of one. Reads and writes go to the kernel together, with the next call. None of them may
// wait (RWF_NOWAIT), so all have ended when the call returns (where many failed, after a few more), and
// writes have a result only if they failed. (Multishot reads, which the kernel repeats by itself, poll the
// device and queue work for the task with every frame: they were no faster from one TAP and slower from
// many.) Where the pool has no frame left, frames wait in their devices.
#pragma once

#include <array>
#include <memory>
#include <unordered_map>
#include <vector>

#include "io/io.hpp"
#include "io/uring.hpp"

namespace etherloom {

class UringIo final : public Io {
 public:
  /// `doorbellFd` becoming readable ends a wait; clearing it is the worker's. `pool` is the worker's and
  /// outlives the Io. Fails where the kernel refuses io_uring.
  [[nodiscard]] static Result<std::unique_ptr<Io>> create(int doorbellFd, FramePool& pool);

  ~UringIo() override;

  [[nodiscard]] Result<Reader*> read(PortKey key, int fd, ReadShape shape) override;
  [[nodiscard]] Result<void> watch(PortKey key, int fd) override;
  void whenWritable(PortKey key, int fd) noexcept override;
  void forget(int fd) noexcept override;
  [[nodiscard]] RxState take(Reader& reader, RxBurst& burst) noexcept override;
  void write(Completions& port, int fd, TxItem item, std::uint16_t prefix) noexcept override;
  void turn(Instant now, Instant deadline, ReadySink& sink) noexcept override;
  [[nodiscard]] const char* name() const noexcept override { return "io_uring"; }

 private:
  /// A descriptor that is read or watched.
  struct Source final : Reader {
    PortKey key;
    int fd = -1;
    bool reads = false;  // else its port is only told
    ReadShape shape;
    BufferClass bufferClass = BufferClass::Small;
    bool polled = false;     // the kernel has a request for it
    bool full = false;       // the kernel has a request to say when it takes bytes again
    bool forgotten = false;  // nobody wants to hear of it
    bool ready = false;      // in ready_
    unsigned wish = 1;       // how many frames to ask for
    unsigned asked = 0;      // in this turn
    unsigned got = 0;        // of those
    Chain<Frame> inbox;      // read, not taken yet
  };
  struct Read {
    Source* source;
    Frame* frame;
  };

  static constexpr unsigned requests = 1024;     // between two calls
  static constexpr unsigned readsPerTurn = 128;  // by all devices together: what a first cache holds

  UringIo(Uring ring, FramePool& pool, int doorbellFd);

  Source& add(PortKey key, int fd);
  [[nodiscard]] io_uring_sqe& request() noexcept;
  void address(io_uring_sqe& request, int fd) noexcept;
  void poll(int fd, short events, bool repeatedly, std::uint64_t mark) noexcept;
  void cancel(std::uint64_t mark) noexcept;
  void pollCold() noexcept;
  [[nodiscard]] bool readHot() noexcept;
  void ask(Source& source) noexcept;
  void sortHot() noexcept;
  void call(Duration wait) noexcept;
  void harvest() noexcept;
  void hear(Source& source, const io_uring_cqe& result) noexcept;
  void readEnded(const Read& read, int result) noexcept;
  void endWrites() noexcept;
  void list(Source& source) noexcept;
  void discard(Source& source) noexcept;

  Uring ring_;
  FramePool& pool_;
  int doorbellFd_;
  bool enabled_ = false;
  bool woken_ = false;  // some device has become hot in the last call
  std::unordered_map<int, Source> sources_;
  std::vector<Source*> cold_;   // to be polled
  std::vector<Source*> hot_;    // to be read
  std::vector<Source*> ready_;  // to be reported
  std::vector<bool> kept_;      // descriptors in the ring's own table
  std::array<Read, readsPerTurn> reads_;
  unsigned readCount_ = 0;
  // Writes since the last call: what is written, and who hears of it; nobody when it has failed already.
  std::array<TxItem, requests> writes_;
  std::array<Completions*, requests> writers_;
  unsigned writeCount_ = 0;
};

}  // namespace etherloom
