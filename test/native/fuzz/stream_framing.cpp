// What the other end of a stream may write (QEMU, passt, socket_vmnet): any bytes, in pieces of any size.
//
// The input: the limit of the port, how the stream is cut, then the stream itself, as runs. A run is a byte:
// below 0xf0 so many of the bytes that follow; else a frame whose bytes count up, of eight times the next
// byte, for 0xff of nearly the longest length: so a short input makes long frames. The oracle cuts the whole
// stream at once: the decoder must say the same of every piece, whatever the cuts.
#include "ports/stream_framing.hpp"

#include <numeric>

#include "target.hpp"

using namespace etherloom;
using namespace etherloom::fuzz;

namespace {

using Piece = StreamDecoder::Piece;
constexpr std::size_t streamPrefixLength = 4;

const std::vector<std::uint8_t>& streamOf(Input& input) {
  constexpr std::size_t most = 2 * StreamDecoder::size;
  static const std::vector<std::uint8_t> counting = [] {
    std::vector<std::uint8_t> bytes(streamFrameLimit + 0x101);
    std::iota(bytes.begin(), bytes.end(), std::uint8_t{0});
    return bytes;
  }();
  static std::vector<std::uint8_t> stream;
  stream.clear();
  while (!input.empty() && stream.size() < most) {
    const std::uint8_t run = input.byte();
    if (run < 0xf0) {
      const auto bytes = input.takeBytes(run);
      stream.insert(stream.end(), bytes.begin(), bytes.end());
      continue;
    }
    const std::uint32_t wish = input.byte();
    const std::uint32_t length = run == 0xff ? streamFrameLimit + 1 - wish : wish * 8;  // or one too long
    std::size_t at = stream.size();
    stream.resize(at + streamPrefixLength + length);
    for (int shift = 24; shift >= 0; shift -= 8) stream[at++] = static_cast<std::uint8_t>(length >> shift);
    std::memcpy(stream.data() + at, counting.data() + run, length);
  }
  return stream;
}

/// Cuts frames out of a stream that is all there.
struct Whole {
  std::span<const std::uint8_t> stream;
  std::uint32_t limit;

  Piece next(std::span<const std::uint8_t>& frame) {
    if (stream.size() < 4) return Piece::Incomplete;
    const std::size_t length =
        std::size_t{stream[0]} * 0x1000000 + stream[1] * 0x10000u + stream[2] * 0x100u + stream[3];
    if (length > 69632) return Piece::Broken;
    if (stream.size() - 4 < length) return Piece::Incomplete;
    frame = stream.subspan(4, length);
    stream = stream.subspan(4 + length);
    return length < 14 ? Piece::Runt : length > limit ? Piece::Oversize : Piece::Frame;
  }
};

void run(std::span<const std::uint8_t> bytes) {
  Input input(bytes);
  const std::uint32_t limit = 14 + input.take<std::uint32_t>() % (2 * streamFrameLimit);
  std::uint32_t cuts = input.take<std::uint32_t>();
  const std::vector<std::uint8_t>& stream = streamOf(input);

  Whole whole{stream, limit};
  StreamDecoder decoder(*StreamFraming::find("stream"), limit);
  std::span<const std::uint8_t> left = stream;
  for (;;) {
    std::span<const std::uint8_t> frame, expected;
    const Piece piece = decoder.next(frame);
    if (piece == Piece::Incomplete && !left.empty()) {
      const std::span<std::uint8_t> room = decoder.room();
      require(!room.empty());
      cuts = cuts * 1664525 + 1013904223;
      const std::size_t wanted = cuts >> 31 ? cuts >> 8 & 7 : cuts >> 8 & 0xffff;
      const std::size_t count = std::min({1 + wanted, room.size(), left.size()});
      std::memcpy(room.data(), left.data(), count);
      decoder.add(count);
      left = left.subspan(count);
      continue;
    }
    require(piece == whole.next(expected));
    require(frame.size() == expected.size());
    if (!frame.empty()) require(std::memcmp(frame.data(), expected.data(), frame.size()) == 0);
    if (piece == Piece::Frame) require(frame.size() >= 14 && frame.size() <= limit);
    if (piece == Piece::Incomplete || piece == Piece::Broken) break;
  }
}

const Target target("stream_framing", run);

}  // namespace
