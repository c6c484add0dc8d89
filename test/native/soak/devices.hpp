// Ports that only the soak has: a probe, which makes frames and knows them again, and a device of a socket
// that is read and written by the worker's Io, as a TAP is.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "content.hpp"
#include "frame/virtio_header.hpp"
#include "impairments/random.hpp"
#include "os/fd.hpp"
#include "ports/port.hpp"

namespace etherloom::soak {

/// What was wrong with a frame first, if anything. Any thread.
class Verdicts {
 public:
  /// `corrupts`: something here flips bits, so that no frame is judged.
  explicit Verdicts(bool corrupts) : corrupts_(corrupts) {}

  void judge(std::span<const std::uint8_t> bytes, bool complete) noexcept;
  [[nodiscard]] std::optional<std::string> fault() const;

 private:
  const bool corrupts_;
  std::atomic<bool> failed_{false};
  mutable std::mutex mutex_;
  std::string fault_;
};

/// What the probes of one port do and have done, whatever becomes of the port. Wishes come from the control
/// thread; the workers of the port's inlets count.
struct Ledger {
  Verdicts* verdicts = nullptr;
  unsigned station = 0;
  std::atomic<bool> calm{false};                   ///< makes no frames, whatever was wished
  std::atomic<std::uint64_t> handed{0}, taken{0};  ///< frames of the wire
};

/// Makes frames of many kinds when it is told to, and looks at those that it is given.
class Probe final : public Port {
 public:
  Probe(std::shared_ptr<Ledger> ledger, Fd wishes, std::uint64_t seed, Offloads offloads);

  Result<void> open(Io& io, PortKey key) override { return io.watch(key, wishes_.get()); }
  RxState receive(RxBurst& burst) noexcept override;
  void transmit(std::span<const TxItem> items) noexcept override;
  void close(Io& io) noexcept override { io.forget(wishes_.get()); }

 private:
  struct SuperFrame {
    Bytes bytes;
    VirtioHeader claims;
  };
  [[nodiscard]] Frame* make() noexcept;

  const std::shared_ptr<Ledger> ledger_;
  const Fd wishes_;  ///< an eventfd: frames that are to be made
  Random random_;
  std::vector<SuperFrame> superFrames_;
  std::uint64_t wanted_ = 0;
  std::uint64_t number_ = 0;
};

/// One end of a pair of datagram sockets, a frame in each message.
class IoPort final : public Port {
 public:
  explicit IoPort(Fd socket) : Port(1518), socket_(std::move(socket)) {}

  Result<void> open(Io& io, PortKey key) override;
  RxState receive(RxBurst& burst) noexcept override;
  void transmit(std::span<const TxItem> items) noexcept override;
  void close(Io& io) noexcept override { io.forget(socket_.get()); }

 private:
  DropReason refusal(int error) noexcept override;

  const Fd socket_;  // non-blocking
  Io* io_ = nullptr;
  Reader* reader_ = nullptr;
};

}  // namespace etherloom::soak
