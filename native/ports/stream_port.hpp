// A connected stream socket as a port, whose frames stand in it as its framing says (stream_framing.hpp).
// Made by the control thread from a connected socket, then used on its worker.
//
// Theory of operation. Bytes move in batches: one receive takes what there is, and frames are cut out of it;
// what is transmitted is collected, with its lengths, and leaves with one send at the end of the turn. What
// the socket does not take stays collected until it takes bytes again. So a frame is either in the stream
// whole or not at all, and a peer that stops reading costs no more than this memory: from then on frames are
// dropped as port-full. A frame counts as transmitted when it is in the stream; what is still on its way when
// the peer dies is lost with it.
#pragma once

#include <algorithm>
#include <chrono>

#include "os/fd.hpp"
#include "os/socket.hpp"
#include "ports/port.hpp"
#include "ports/stream_framing.hpp"

namespace etherloom {

class StreamPort final : public Port {
 public:
  /// Bytes that wait for the socket to take them.
  static constexpr std::size_t stageSize = 128 * 1024;
  static_assert(stageSize > streamPrefixLimit + streamFrameLimit);
  /// Calls to the kernel in one receive(), for a peer that sends few bytes at a time.
  static constexpr unsigned readsPerTurn = 16;
  /// What one receive() reads, beyond the read that reaches it, for a peer that sends long frames.
  static constexpr std::size_t bytesPerTurn = 256 * 1024;

  /// Without a socket it is a port that is down from the beginning (ENOTCONN).
  StreamPort(Fd socket, const StreamFraming& framing, std::uint32_t limit, bool pad = false)
      : Port(std::min(limit, framing.longest)),
        framing_(framing),
        pad_(pad),
        socket_(std::move(socket)),
        decoder_(framing, limit),
        stage_(stageSize) {}

  [[nodiscard]] ClassMark mark() const noexcept override { return markOf<StreamPort>(); }
  [[nodiscard]] Result<void> open(Io& io, PortKey key) override;
  [[nodiscard]] RxState receive(RxBurst& burst) noexcept override;
  void transmit(std::span<const TxItem> items) noexcept override;
  void flush() noexcept override;
  void close(Io& io) noexcept override;
  /// Of TCP: every few seconds, with the time.
  void attendPeer(std::chrono::seconds now) noexcept {
    if (socket_) patience_.renew(socket_, now);
  }

 private:
  [[nodiscard]] std::uint32_t lengthOf(const Frame& frame) const noexcept {
    return pad_ ? std::max(frame.length, paddedLength) : frame.length;
  }
  [[nodiscard]] bool cut(RxBurst& burst, unsigned& pieces) noexcept;
  void append(const Frame& frame) noexcept;

  const StreamFraming& framing_;
  const bool pad_;
  Fd socket_;
  Io* io_ = nullptr;
  PortKey key_;
  StreamDecoder decoder_;
  ByteQueue stage_;
  PeerPatience patience_;
  bool full_ = false;  // the socket takes no more; it says when it does
};

}  // namespace etherloom
