#include "ports/stream_port.hpp"

#include <sys/socket.h>

#include <cstring>

namespace etherloom {

Result<void> StreamPort::open(Io& io, PortKey key) {
  if (!socket_) return Error{ENOTCONN, "", "there is no peer yet"};
  io_ = &io;
  key_ = key;
  return io.watch(key, socket_.get());
}

void StreamPort::close(Io& io) noexcept {
  if (!socket_) return;
  io.forget(socket_.get());
  socket_.reset();
}

// ---- receiving ----

// Reads until there is nothing more: that the peer has closed is said once, perhaps before its last bytes are
// read.
RxState StreamPort::receive(RxBurst& burst) noexcept {
  if (full_) {
    full_ = false;
    flush();
  }
  // What is no frame uses up a turn as frames do, and so do calls that bring little or much.
  unsigned pieces = burst.room();
  std::size_t bytes = 0;
  for (unsigned reads = 0;; ++reads) {
    if (!cut(burst, pieces)) return RxState::Failed;
    if (pieces == 0 || reads == readsPerTurn || bytes >= bytesPerTurn) return RxState::More;
    const std::span<std::uint8_t> room = decoder_.room();
    called();
    const ssize_t got = recv(socket_.get(), room.data(), room.size(), MSG_DONTWAIT);
    if (got > 0) {
      bytes += static_cast<std::size_t>(got);
      decoder_.add(static_cast<std::size_t>(got));
      continue;
    }
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) return failure() == 0 ? RxState::Drained : RxState::Failed;
    fail(got == 0 ? ECONNRESET : errno);
    return RxState::Failed;
  }
}

/// Hands over the frames that are there, of at most so many pieces of the stream, which are counted down.
/// False when the stream is broken.
bool StreamPort::cut(RxBurst& burst, unsigned& pieces) noexcept {
  using Piece = StreamDecoder::Piece;
  std::span<const std::uint8_t> bytes;
  for (; pieces != 0; --pieces) {
    switch (decoder_.next(bytes)) {
      case Piece::Frame:
        burst.copyIn(bytes);
        break;
      case Piece::Runt:
        burst.drops.add(DropReason::Runt, 1);
        break;
      case Piece::Oversize:
        burst.drops.add(DropReason::Oversize, 1);
        break;
      case Piece::Incomplete:
        return true;
      case Piece::Broken:
        burst.drops.add(DropReason::NoFrame, 1);
        fail(EPROTO);
        return false;
    }
  }
  return true;
}

// ---- transmitting ----

void StreamPort::transmit(std::span<const TxItem> items) noexcept {
  std::size_t first = 0;  // of those that are in the stream and have not ended yet
  for (std::size_t index = 0; index < items.size(); ++index) {
    const Frame& frame = *items[index].frame;
    const std::size_t wanted = framing_.prefix + lengthOf(frame);
    const bool fits = frame.length <= limit();
    if (fits && failure() == 0 && stage_.room(wanted).size() < wanted) flush();
    if (fits && failure() == 0 && stage_.room(wanted).size() >= wanted) {
      append(frame);
      continue;
    }
    sent(items.subspan(first, index - first));
    dropped(items[index], failure() != 0 ? DropReason::PortDown
                          : fits         ? DropReason::PortFull
                                         : DropReason::Oversize);
    first = index + 1;
  }
  sent(items.subspan(first));
}

void StreamPort::append(const Frame& frame) noexcept {
  const std::uint32_t length = lengthOf(frame);
  std::uint8_t* const place = stage_.room(framing_.prefix + length).data();
  framing_.write(place, length);
  std::memcpy(place + framing_.prefix, frame.data, frame.length);
  std::memset(place + framing_.prefix + frame.length, 0, length - frame.length);
  stage_.add(framing_.prefix + length);
}

void StreamPort::flush() noexcept {
  while (!full_ && !stage_.bytes().empty() && failure() == 0) {
    const std::span<const std::uint8_t> bytes = stage_.bytes();
    const ssize_t taken = send(socket_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (taken >= 0) {
      stage_.remove(static_cast<std::size_t>(taken));
    } else if (errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM) {
      full_ = true;
      io_->whenWritable(key_, socket_.get());
    } else if (errno != EINTR) {
      fail(errno);
    }
  }
}

}  // namespace etherloom
