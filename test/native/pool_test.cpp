// The frame pool: what acquire promises, references, copies, the share that may be held, and release by other
// threads.
#include "frame/pool.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <set>
#include <thread>
#include <vector>

#include "runtime/ring.hpp"

using namespace etherloom;

namespace {

std::vector<Frame*> acquireAll(FramePool& pool, BufferClass bufferClass) {
  std::vector<Frame*> frames;
  while (Frame* frame = pool.acquire(bufferClass)) frames.push_back(frame);
  return frames;
}

}  // namespace

TEST_CASE("pool: gives distinct, aligned, clean frames until a class is used up") {
  auto pool = *FramePool::create(1 << 20);
  for (const BufferClass bufferClass : {BufferClass::Small, BufferClass::Large}) {
    const auto frames = acquireAll(*pool, bufferClass);
    CHECK(frames.size() > 2);
    CHECK(std::set(frames.begin(), frames.end()).size() == frames.size());
    for (Frame* frame : frames) {
      CHECK(reinterpret_cast<std::uintptr_t>(frame) % alignof(Frame) == 0);
      CHECK(frame->length == 0);
      CHECK(frame->references == 1);
      CHECK(std::all_of(frame->data - virtioHeaderLength, frame->data, [](auto byte) { return byte == 0; }));
      std::memset(frame->data, 0xee, FramePool::capacity(bufferClass));
    }
    for (Frame* frame : frames) pool->release(frame);
    CHECK(acquireAll(*pool, bufferClass).size() == frames.size());
  }
  CHECK(pool->outstanding() == pool->size());
}

TEST_CASE("pool: a frame comes back clean, whatever was done to it") {
  auto pool = *FramePool::create(1 << 20);
  Frame* frame = pool->acquire(BufferClass::Small);
  frame->data -= virtioHeaderLength;
  std::memset(frame->data, 0xff, 100);
  frame->length = 100;
  frame->hops = 3;
  frame->offload.segments = 40;
  frame->offload.gsoType = 1;
  pool->release(frame);
  Frame* again = pool->acquire(BufferClass::Small);
  CHECK(again == frame);
  CHECK(again->length == 0);
  CHECK(+again->hops == 0);
  CHECK(again->offload.segments == 1);
  CHECK(again->offload.gsoType == 0);
  CHECK(std::all_of(again->data - virtioHeaderLength, again->data, [](auto byte) { return byte == 0; }));
  pool->release(again);
}

TEST_CASE("pool: a frame stays until its last reference goes") {
  auto pool = *FramePool::create(1 << 20);
  Frame* frame = pool->acquire(BufferClass::Small);
  frame->references = 3;
  pool->release(frame);
  pool->release(frame);
  CHECK(pool->outstanding() == 1);
  pool->release(frame);
  CHECK(pool->outstanding() == 0);
}

TEST_CASE("pool: a copy has the bytes and the identity, and the smallest buffer") {
  auto pool = *FramePool::create(1 << 20);
  Frame* large = pool->acquire(BufferClass::Large);
  large->length = FramePool::smallCapacity;
  for (std::uint32_t at = 0; at < large->length; ++at) large->data[at] = static_cast<std::uint8_t>(at * 7);
  large->arrival = {5};
  large->from = PortId{6};
  large->number = 7;
  large->hops = 8;
  Frame* copy = pool->copy(*large);
  CHECK(BufferClass{copy->bufferClass} == BufferClass::Small);
  CHECK(std::equal(copy->data, copy->data + copy->length, large->data, large->data + large->length));
  CHECK(copy->arrival == Instant{5});
  CHECK(copy->from == PortId{6});
  CHECK(copy->number == 7);
  CHECK(+copy->hops == 8);
  CHECK(copy->references == 1);
  ++large->length;
  Frame* longer = pool->copy(*large);
  CHECK(BufferClass{longer->bufferClass} == BufferClass::Large);
  for (Frame* frame : {large, copy, longer}) pool->release(frame);
}

TEST_CASE("pool: what is held never takes the last quarter of a class") {
  auto pool = *FramePool::create(1 << 20);
  auto frames = acquireAll(*pool, BufferClass::Small);
  const auto allowed = static_cast<std::size_t>(
      std::count_if(frames.begin(), frames.end(), [](Frame* frame) { return FramePool::hold(*frame); }));
  CHECK(allowed == frames.size() - frames.size() / 4);
  const auto held =
      std::find_if(frames.begin(), frames.end(), [](Frame* frame) { return frame->held.load(); });
  CHECK(FramePool::hold(**held));  // once more, by another holder: the buffer counts once
  CHECK(FramePool::unheld(**held) == pool->size() - allowed);
  pool->release(*held);
  *held = pool->acquire(BufferClass::Small);
  CHECK(FramePool::hold(**held));
  CHECK_FALSE(FramePool::hold(
      **std::find_if(frames.begin(), frames.end(), [](Frame* frame) { return !frame->held; })));
  Frame* large = pool->acquire(BufferClass::Large);
  CHECK(FramePool::hold(*large));
  for (Frame* frame : frames) pool->release(frame);
  pool->release(large);
}

TEST_CASE("pool: too little memory is refused in words") {
  const auto pool = FramePool::create(1000);
  REQUIRE_FALSE(pool);
  CHECK(pool.error().message.find("memory") != std::string::npos);
}

TEST_CASE("pool: frames of other pools go back in bundles of their pool and class, or when told") {
  auto own = *FramePool::create(1 << 20);
  auto one = *FramePool::create(1 << 20);
  auto two = *FramePool::create(1 << 20);
  const auto frames = acquireAll(*one, BufferClass::Small);
  REQUIRE(frames.size() > 100);
  for (Frame* frame : frames) own->release(frame);
  CHECK(one->outstanding() < 100);  // a bundle at most is still on its way
  CHECK(one->outstanding() > 0);
  Frame* large = one->acquire(BufferClass::Large);
  Frame* others = two->acquire(BufferClass::Large);
  own->release(large);
  own->release(others);
  CHECK(one->outstanding() == 0);
  CHECK(two->outstanding() == 1);
  own->sendBack();
  own->sendBack();
  CHECK(two->outstanding() == 0);
  const auto again = acquireAll(*one, BufferClass::Small);
  CHECK(std::set(again.begin(), again.end()) == std::set(frames.begin(), frames.end()));
  CHECK(again.size() == frames.size());
}

TEST_CASE("pool: frames that other threads release come back, each once, with nothing written over") {
  auto pool = *FramePool::create(1 << 20);
  constexpr unsigned threads = 3;
  constexpr std::uint32_t rounds = 30'000;
  std::vector<std::unique_ptr<Ring<Frame*>>> rings;
  std::vector<std::thread> others;
  std::atomic<bool> torn{false};
  for (unsigned index = 0; index < threads; ++index) {
    rings.push_back(std::make_unique<Ring<Frame*>>(64));
    others.emplace_back([&ring = *rings[index], &torn] {
      auto own = *FramePool::create(1 << 20);
      bool ended = false;
      while (!ended) {
        ring.drain([&](Frame* frame) {
          if (!frame) {
            ended = true;
            return;
          }
          std::uint32_t first, last;
          std::memcpy(&first, frame->data, sizeof first);
          std::memcpy(&last, frame->data + 1000, sizeof last);
          if (first != frame->number || last != frame->number) torn = true;
          own->release(frame);
        });
        own->sendBack();
        std::this_thread::yield();
      }
    });
  }
  for (std::uint32_t number = 0; number < rounds; ++number) {
    Frame* frame = pool->acquire(BufferClass::Small);
    while (!frame) {  // all are with the others: they bring them back
      std::this_thread::yield();
      frame = pool->acquire(BufferClass::Small);
    }
    frame->number = number;
    std::memcpy(frame->data, &number, sizeof number);
    std::memcpy(frame->data + 1000, &number, sizeof number);
    // Every third frame is flooded: all threads let go of it, whoever is last gives it back.
    const bool flood = number % 3 == 0;
    frame->references = flood ? threads : 1;
    for (unsigned index = 0; index < threads; ++index) {
      if (!flood && index != number % threads) continue;
      while (!rings[index]->push(frame)) std::this_thread::yield();
    }
  }
  for (auto& ring : rings) {
    while (!ring->push(nullptr)) std::this_thread::yield();
  }
  for (std::thread& other : others) other.join();
  CHECK_FALSE(torn);
  CHECK(pool->outstanding() == 0);
}
