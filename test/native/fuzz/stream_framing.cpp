// What the other end of a stream may write (QEMU, passt, socket_vmnet, VDE, vpnkit): any bytes, in pieces of
// any size.
//
// The input: the limit of the port, how the stream is cut (which also says the framing), then the stream
// itself, as runs. A run is a byte: below 0xf0 so many of the bytes that follow; else a frame whose bytes
// count up, of eight times the next byte, for 0xff of nearly the longest length: so a short input makes long
// frames. The oracle cuts the whole stream at once: the decoder must say the same of every piece, whatever
// the cuts.
#include "ports/stream_framing.hpp"

#include <numeric>

#include "target.hpp"

using namespace etherloom;
using namespace etherloom::fuzz;

namespace {

using Piece = StreamDecoder::Piece;

/// A framing as its bytes are described, not as our code has it.
struct Described {
  const char* name;
  std::size_t prefix;
  bool big;
  std::uint32_t longest;

  [[nodiscard]] int shift(std::size_t index) const {
    return 8 * static_cast<int>(big ? prefix - 1 - index : index);
  }
};
constexpr Described framings[] = {{"stream", 4, true, 69632},
                                  {"vde", 2, true, 9234},
                                  {"vpnkit", 2, false, 65535},
                                  {"stream", 4, true, 69632}};

const std::vector<std::uint8_t>& streamOf(Input& input, const Described& framing) {
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
    const std::uint32_t length = run == 0xff ? framing.longest + 1 - wish : wish * 8;  // or one too long
    std::size_t at = stream.size();
    stream.resize(at + framing.prefix + length);
    for (std::size_t index = 0; index < framing.prefix; ++index)
      stream[at++] = static_cast<std::uint8_t>(length >> framing.shift(index));
    std::memcpy(stream.data() + at, counting.data() + run, length);
  }
  return stream;
}

/// Cuts frames out of a stream that is all there.
struct Whole {
  std::span<const std::uint8_t> stream;
  std::uint32_t limit;
  const Described& framing;

  Piece next(std::span<const std::uint8_t>& frame) {
    if (stream.size() < framing.prefix) return Piece::Incomplete;
    std::size_t length = 0;
    for (std::size_t index = 0; index < framing.prefix; ++index)
      length |= std::size_t{stream[index]} << framing.shift(index);
    if (length > framing.longest) return Piece::Broken;
    if (stream.size() - framing.prefix < length) return Piece::Incomplete;
    frame = stream.subspan(framing.prefix, length);
    stream = stream.subspan(framing.prefix + length);
    return length < 14 ? Piece::Runt : length > limit ? Piece::Oversize : Piece::Frame;
  }
};

void run(std::span<const std::uint8_t> bytes) {
  Input input(bytes);
  const std::uint32_t limit = 14 + input.take<std::uint32_t>() % (2 * streamFrameLimit);
  std::uint32_t cuts = input.take<std::uint32_t>();
  const Described& framing = framings[cuts % std::size(framings)];
  const std::vector<std::uint8_t>& stream = streamOf(input, framing);

  Whole whole{stream, limit, framing};
  StreamDecoder decoder(*StreamFraming::find(framing.name), limit);
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
