// Captures below JavaScript: rings that lose and count, records of one thread read by another, the bytes that
// come of it, and the histogram of lateness.
#include "capture/capture.hpp"

#include <doctest/doctest.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>

#include "engine_fixtures.hpp"
#include "frame/lateness.hpp"

using namespace etherloom;

namespace {

/// A file that is gone afterwards.
struct ScratchFile {
  ScratchFile() {
    const int fd = mkstemp(path.data());
    REQUIRE(fd >= 0);
    close(fd);
  }
  ~ScratchFile() { unlink(path.c_str()); }
  [[nodiscard]] std::string bytes() const {
    std::ifstream stream(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), {}};
  }

  std::string path = "/tmp/etherloom-test-XXXXXX";
};

CaptureSettings withBuffer(std::size_t bytes) {
  CaptureSettings settings;
  settings.buffer = bytes;
  return settings;
}

std::unique_ptr<Capture> makeCapture(const ScratchFile& file, const CaptureSettings& settings,
                                     std::size_t workers = 1) {
  auto output = Output::file(file.path);
  REQUIRE(output);
  auto capture = Capture::create(settings, std::move(*output), {{"a", "", ""}}, workers, {});
  REQUIRE(capture);
  return std::move(*capture);
}

void note(Capture& capture, std::uint32_t number, std::uint16_t worker = 0, std::uint32_t length = 1000) {
  std::array<std::uint8_t, 1500> bytes{};
  std::memcpy(bytes.data(), &number, sizeof number);
  CaptureRecord head{};
  head.at = head.arrival = number;
  head.number = number;
  head.segments = 1;
  capture.record(worker, head, bytes.data(), length, length);
}

/// Packet blocks of a file of ours: their first four bytes of data, and their drop counts.
struct Packets {
  std::vector<std::uint32_t> numbers;
  std::uint64_t lost = 0;
};
Packets packetsIn(const std::string& file) {
  Packets packets;
  const auto u32 = [&](std::size_t at) {
    std::uint32_t word;
    std::memcpy(&word, file.data() + at, sizeof word);
    return word;
  };
  for (std::size_t at = 0; at < file.size(); at += u32(at + 4)) {
    REQUIRE(u32(at + 4) >= 12);
    REQUIRE(at + u32(at + 4) <= file.size());
    if (u32(at) != 6) continue;
    packets.numbers.push_back(u32(at + 28));
    std::size_t option = at + 28 + ((u32(at + 20) + 3) & ~3u) + 8;  // after epb_flags
    if ((u32(option) & 0xffff) == 4) packets.lost += u32(option + 4);
  }
  return packets;
}

}  // namespace

TEST_CASE("capture: a full ring loses, counts, and says in the file how many") {
  const ScratchFile file;
  auto capture = makeCapture(file, withBuffer(64 << 10));
  for (std::uint32_t number = 0; number < 200; ++number) note(*capture, number);
  const std::uint64_t lost = capture->lost();
  CHECK(lost > 100);
  static_cast<void>(capture->pump());
  note(*capture, 200);
  capture->finish({});
  CHECK(capture->state() == Capture::State::Ended);
  const Packets packets = packetsIn(file.bytes());
  CHECK(packets.numbers.size() == 201 - lost);
  CHECK(packets.numbers.back() == 200);
  CHECK(packets.lost == lost);
  CHECK(capture->frames() == packets.numbers.size());
  CHECK(capture->bytes() == file.bytes().size());
}

TEST_CASE("capture: what workers record while it is written arrives whole, or is counted") {
  const ScratchFile file;
  constexpr std::uint32_t each = 20'000;
  auto capture = makeCapture(file, withBuffer(256 << 10), 2);
  std::atomic<unsigned> recording{2};
  std::vector<std::thread> workers;
  for (std::uint16_t worker = 0; worker < 2; ++worker) {
    workers.emplace_back([&, worker] {
      for (std::uint32_t number = 0; number < each; ++number)
        note(*capture, 2 * number + worker, worker, 60 + number % 900);
      --recording;
    });
  }
  while (recording != 0) static_cast<void>(capture->pump());
  for (std::thread& worker : workers) worker.join();
  capture->finish({});
  const Packets packets = packetsIn(file.bytes());
  CHECK(packets.numbers.size() + capture->lost() == 2 * each);
  std::array<std::int64_t, 2> last{-1, -1};  // each worker's come in its order
  for (const std::uint32_t number : packets.numbers) {
    CHECK(std::int64_t{number} > last[number % 2]);
    last[number % 2] = number;
  }
}

TEST_CASE("capture: begins and ends under traffic of several workers, and takes nothing along") {
  const ScratchFile file;
  EngineOptions options;
  options.workers = 2;
  EngineBench bench(options);
  const FabricId hub = bench.hub();
  auto& a = bench.join(hub);
  auto& b = bench.join(hub);
  for (std::uint32_t round = 0; round < 20; ++round) {
    auto output = Output::file(file.path);
    REQUIRE(output);
    const auto id = bench.engine->startCapture(withBuffer(64 << 10), std::move(*output),
                                               {{a.id, {}, Listener::Kind::Frames, {"a", "", ""}},
                                                {b.id, {}, Listener::Kind::Frames, {"b", "", ""}}});
    REQUIRE(id);
    for (std::uint32_t tag = 0; tag < 50; ++tag) static_cast<void>(bench.send(a, tag));
    bench.commit();
    bench.lookUntil([&] { return b.frames == 50 * (round + 1); });
    bench.settle(bench.engine->endCapture(*id));
    bench.lookUntil([&] { return bench.engine->capture(*id).state() == Capture::State::Ended; });
    CHECK(bench.engine->capture(*id).frames() + bench.engine->capture(*id).lost() == 100);
    bench.engine->forgetCapture(*id);
  }
}

TEST_CASE("lateness: buckets are powers of two, the last one without end") {
  Lateness lateness;
  for (const std::int64_t late : {0, 1, 2, 3, 4, 1023, 1024}) lateness.add({late});
  lateness.add(forever);
  const LatenessSnapshot snapshot = lateness.snapshot();
  CHECK(snapshot.counts[0] == 1);
  CHECK(snapshot.counts[1] == 1);
  CHECK(snapshot.counts[2] == 2);
  CHECK(snapshot.counts[3] == 1);
  CHECK(snapshot.counts[10] == 1);
  CHECK(snapshot.counts[11] == 1);
  CHECK(snapshot.counts[latenessBuckets - 1] == 1);
  CHECK(snapshot.most == static_cast<std::uint64_t>(forever.nanoseconds));
}
