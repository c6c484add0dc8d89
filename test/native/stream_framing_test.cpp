// The decoder of a stream of frames: whatever the pieces that bytes come in, and whatever they say.
#include "ports/stream_framing.hpp"

#include <doctest/doctest.h>

#include <random>
#include <vector>

#include "frame_fixtures.hpp"

using namespace etherloom;

namespace {

using Piece = StreamDecoder::Piece;
constexpr std::size_t streamPrefixLength = 4;

/// What a decoder made of a stream: lengths of frames, and of what else the name.
struct Outcome {
  std::vector<Bytes> frames;
  int runts = 0, oversize = 0;
  bool broken = false;
  bool operator==(const Outcome&) const = default;
};

void append(Bytes& stream, std::uint32_t length, std::size_t bytes, std::uint8_t mark = 0) {
  const std::size_t at = stream.size();
  stream.resize(at + streamPrefixLength + bytes);
  writeBig32(stream.data() + at, length);
  for (std::size_t index = 0; index < bytes; ++index)
    stream[at + streamPrefixLength + index] = static_cast<std::uint8_t>(mark + index * 7);
}

class Reader {
 public:
  explicit Reader(std::uint32_t limit) : decoder_(*StreamFraming::find("stream"), limit) {}
  Outcome outcome;

  void add(std::span<const std::uint8_t> bytes) {
    while (!bytes.empty() && !outcome.broken) {
      const auto room = decoder_.room();
      REQUIRE(!room.empty());
      const auto piece = bytes.first(std::min(room.size(), bytes.size()));
      std::copy(piece.begin(), piece.end(), room.begin());
      decoder_.add(piece.size());
      bytes = bytes.subspan(piece.size());
      drain();
    }
  }

 private:
  void drain() {
    std::span<const std::uint8_t> frame;
    for (;;) {
      switch (decoder_.next(frame)) {
        case Piece::Frame:
          outcome.frames.emplace_back(frame.begin(), frame.end());
          break;
        case Piece::Runt:
          ++outcome.runts;
          break;
        case Piece::Oversize:
          ++outcome.oversize;
          break;
        case Piece::Incomplete:
          return;
        case Piece::Broken:
          outcome.broken = true;
          return;
      }
    }
  }
  StreamDecoder decoder_;
};

Outcome decode(const Bytes& stream, const std::vector<std::size_t>& cuts, std::uint32_t limit) {
  Reader reader(limit);
  std::size_t from = 0;
  for (const std::size_t cut : cuts) {
    reader.add(std::span(stream).subspan(from, cut - from));
    from = cut;
  }
  reader.add(std::span(stream).subspan(from));
  return reader.outcome;
}

}  // namespace

TEST_CASE("stream framing: a stream cut at any one byte, and at every byte, gives the same") {
  constexpr std::uint32_t limit = 100;
  Bytes stream;
  for (const std::uint32_t length : {14U, 0U, 60U, 13U, limit, limit + 1, 15U})
    append(stream, length, length, static_cast<std::uint8_t>(length));
  const Outcome whole = decode(stream, {}, limit);
  CHECK(whole.frames.size() == 4);
  CHECK(whole.frames[2].size() == limit);
  CHECK(whole.runts == 2);
  CHECK(whole.oversize == 1);
  std::vector<std::size_t> every;
  for (std::size_t cut = 0; cut <= stream.size(); ++cut) {
    CHECK(decode(stream, {cut}, limit) == whole);
    every.push_back(cut);
  }
  CHECK(decode(stream, every, limit) == whole);
}

TEST_CASE("stream framing: each length is what the limits say, and the frame behind it is found") {
  struct Row {
    std::uint32_t length;
    Piece piece;
  };
  constexpr std::uint32_t limit = 1518;
  for (const Row row :
       {Row{0, Piece::Runt}, Row{1, Piece::Runt}, Row{13, Piece::Runt}, Row{14, Piece::Frame},
        Row{limit, Piece::Frame}, Row{limit + 1, Piece::Oversize}, Row{streamFrameLimit, Piece::Oversize}}) {
    CAPTURE(row.length);
    Bytes stream;
    append(stream, row.length, row.length);
    append(stream, 60, 60, 9);
    const Outcome outcome = decode(stream, {}, limit);
    CHECK(outcome.frames.size() == (row.piece == Piece::Frame ? 2 : 1));
    CHECK(outcome.frames.back().size() == 60);
    CHECK(outcome.frames.back()[0] == 9);
    CHECK(outcome.runts == (row.piece == Piece::Runt ? 1 : 0));
    CHECK(outcome.oversize == (row.piece == Piece::Oversize ? 1 : 0));
  }
}

TEST_CASE("stream framing: a length that no frame has ends the stream, before its bytes are waited for") {
  for (const std::uint32_t length : {streamFrameLimit + 1, 0x10000000U, 0xffffffffU}) {
    Bytes stream;
    append(stream, 60, 60);
    append(stream, length, 0);
    const Outcome outcome = decode(stream, {}, streamFrameLimit);
    CHECK(outcome.frames.size() == 1);
    CHECK(outcome.broken);
  }
}

TEST_CASE("stream framing: the longest frames pass, in pieces, as often as you like") {
  Bytes stream;
  for (std::uint8_t mark = 0; mark < 5; ++mark) append(stream, streamFrameLimit, streamFrameLimit, mark);
  std::vector<std::size_t> cuts;
  for (std::size_t cut = 1000; cut < stream.size(); cut += 1000) cuts.push_back(cut);
  const Outcome outcome = decode(stream, cuts, streamFrameLimit);
  REQUIRE(outcome.frames.size() == 5);
  for (std::uint8_t mark = 0; mark < 5; ++mark) CHECK(outcome.frames[mark][0] == mark);
}

TEST_CASE("stream framing: random streams in random pieces give what they give whole") {
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    Bytes stream;
    for (int frame = 0; frame < 40; ++frame) {
      const auto length = static_cast<std::uint32_t>(random() % (round % 4 == 0 ? 3000 : 120));
      append(stream, length, length, static_cast<std::uint8_t>(frame));
    }
    if (round % 5 == 0) append(stream, 0x7fffffff, 20);
    std::vector<std::size_t> cuts;
    for (std::size_t cut = random() % 200; cut < stream.size(); cut += random() % 200) cuts.push_back(cut);
    CHECK(decode(stream, cuts, 1518) == decode(stream, {}, 1518));
  }
}

TEST_CASE("stream framing: each writes a prefix as it is described, and reads it again") {
  struct Row {
    const char* name;
    std::uint32_t length;
    Bytes prefix;
  };
  for (const Row& row : {Row{"stream", 0x1234, {0, 0, 0x12, 0x34}}, Row{"vde", 0x1234, {0x12, 0x34}},
                         Row{"vpnkit", 0x1234, {0x34, 0x12}}, Row{"hyperkit", 0x1234, {0x34, 0x12}},
                         Row{"vpnkit", 0xffff, {0xff, 0xff}}}) {
    CAPTURE(row.name);
    const StreamFraming& framing = *StreamFraming::find(row.name);
    CHECK(framing.prefix == row.prefix.size());
    Bytes written(framing.prefix);
    framing.write(written.data(), row.length);
    CHECK(written == row.prefix);
    CHECK(framing.read(written.data()) == row.length);
    CHECK(framing.longest >= row.length);
  }
}
