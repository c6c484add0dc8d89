// The byte ring: records of every length, whole and in order, around the end of the memory.
#include "ports/byte_ring.hpp"

#include <doctest/doctest.h>

#include <array>
#include <thread>
#include <vector>

#include "impairments/random.hpp"

using namespace etherloom;

namespace {

struct alignas(16) Memory {
  std::array<std::byte, 4096> bytes;
};

/// Writes a record whose bytes all are `fill`. False when the ring is full.
bool write(ByteRing& ring, std::uint64_t& position, std::uint32_t port, std::uint32_t length,
           std::uint8_t fill) {
  std::byte* place = ring.claim(position, length);
  if (!place) return false;
  const RecordHead head{port, length, fill};
  std::memcpy(place, &head, sizeof head);
  std::memset(place + sizeof head, fill, length);
  return true;
}

/// Reads everything that is published; calls each(head, whole) for every record.
template <typename Each>
void read(ByteRing& ring, Each&& each) {
  std::uint64_t position = ring.consumed();
  const std::uint64_t published = ring.published();
  while (position != published) {
    RecordHead head;
    std::memcpy(&head, ring.at(position), sizeof head);
    if (head.port == RecordHead::skip) {
      position += head.length;
      continue;
    }
    bool whole = true;
    for (std::uint32_t at = 0; at < head.length; ++at) {
      whole &= ring.at(position)[sizeof head + at] == static_cast<std::byte>(head.at);
    }
    each(head, whole);
    position += ByteRing::recordSize(head.length);
  }
  ring.consume(position);
}

}  // namespace

TEST_CASE("byte ring: a record takes its head and its bytes, rounded up to 16") {
  CHECK(ByteRing::recordSize(0) == 16);
  CHECK(ByteRing::recordSize(1) == 32);
  CHECK(ByteRing::recordSize(16) == 32);
  CHECK(ByteRing::recordSize(17) == 48);
  CHECK(ByteRing::recordSize(60) == 80);
}

TEST_CASE("byte ring: takes exactly what fits, and again when it was read") {
  Memory memory;
  ByteRing ring(memory.bytes);
  std::uint64_t position = 0;
  for (int round = 0; round < 3; ++round) {
    int records = 0;
    while (write(ring, position, 1, 112, 7)) ++records;  // 128 bytes each
    CHECK(records == 32);
    ring.publish(position);
    int seen = 0;
    read(ring, [&](const RecordHead& head, bool whole) {
      CHECK(head.length == 112);
      CHECK(whole);
      ++seen;
    });
    CHECK(seen == 32);
  }
}

TEST_CASE("byte ring: never wraps a record; the rest before the end is skipped") {
  Memory memory;
  ByteRing ring(memory.bytes);
  std::uint64_t position = 0;
  CHECK(write(ring, position, 1, 4000, 1));
  ring.publish(position);
  CHECK_FALSE(write(ring, position, 2, 200, 2));  // 80 bytes are left, and the front is still taken
  CHECK(position == 4016);
  read(ring, [](const RecordHead&, bool) {});
  CHECK(write(ring, position, 2, 200, 2));
  CHECK(position == 4096 + 224);
  ring.publish(position);
  std::vector<std::uint32_t> ports;
  read(ring, [&](const RecordHead& head, bool whole) {
    CHECK(whole);
    ports.push_back(head.port);
  });
  CHECK(ports == std::vector<std::uint32_t>{2});
  CHECK(ring.consumed() == position);
}

TEST_CASE("byte ring: carries records of random lengths between two threads, whole and in order") {
  Memory memory;
  ByteRing ring(memory.bytes);
  constexpr std::uint32_t count = 50'000;
  std::thread producer([&] {
    Random random(1);
    std::uint64_t position = 0;
    for (std::uint32_t number = 0; number < count; ++number) {
      const auto length = static_cast<std::uint32_t>(random.below(1600));
      while (!write(ring, position, number, length, static_cast<std::uint8_t>(number))) {
        ring.publish(position);
        std::this_thread::yield();
      }
      if (random.hit(0.3)) ring.publish(position);
    }
    ring.publish(position);
  });
  Random random(1);
  std::uint32_t next = 0, wrong = 0;
  while (next < count) {
    read(ring, [&](const RecordHead& head, bool whole) {
      const auto length = static_cast<std::uint32_t>(random.below(1600));
      (void)random.hit(0.3);
      if (head.port != next || head.length != length || !whole) ++wrong;
      ++next;
    });
    std::this_thread::yield();
  }
  producer.join();
  CHECK(wrong == 0);
}
