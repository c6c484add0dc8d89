// Every impairment alone, what all of them owe to their path, and the independence of their streams.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "impairment_fixtures.hpp"

using namespace etherloom;

namespace {

constexpr std::size_t poolBytes = 4u << 20;
constexpr std::uint32_t frameLength = 60;

struct Bench {
  std::unique_ptr<FramePool> pool = *FramePool::create(poolBytes);
  Instant now;

  ~Bench() { CHECK(pool->outstanding() == 0); }

  Frame* makeFrame(std::uint32_t length = frameLength) {
    Frame* frame = pool->acquire(BufferClass::Small);
    REQUIRE(frame);
    frame->length = length;
    for (std::uint32_t at = 0; at < length; ++at) frame->data[at] = static_cast<std::uint8_t>(at);
    return frame;
  }
};

/// What became of one frame.
struct Fate {
  std::uint32_t copies;
  std::optional<DropReason> dropped;
  std::vector<std::uint8_t> bytes;
  bool operator==(const Fate&) const = default;
};

Fate pass(Bench& bench, const Impairment& impairment, StageState& state) {
  Frame* made = bench.makeFrame();
  made->arrival = bench.now = bench.now + Duration{1'000'000'000};
  Passage passage(*bench.pool, made);
  impairment.apply(passage, state);
  Frame* frame = passage.frame();
  Fate fate{passage.copies(), passage.dropped(), {frame->data, frame->data + frame->length}};
  bench.pool->release(frame);
  return fate;
}

std::vector<Fate> passMany(Bench& bench, const Impairment& impairment, int frames, std::uint64_t seed = 1) {
  StageState state{Random(seed)};
  std::vector<Fate> fates;
  for (int number = 0; number < frames; ++number) fates.push_back(pass(bench, impairment, state));
  return fates;
}

const Fate untouched{1, std::nullopt, [] {
                       std::vector<std::uint8_t> bytes(frameLength);
                       for (std::size_t at = 0; at < bytes.size(); ++at)
                         bytes[at] = static_cast<std::uint8_t>(at);
                       return bytes;
                     }()};

int bitsThatDiffer(const Fate& fate) {
  int bits = 0;
  for (std::size_t at = 0; at < fate.bytes.size(); ++at) {
    bits += std::popcount(static_cast<unsigned>(fate.bytes[at] ^ untouched.bytes[at]));
  }
  return bits;
}

}  // namespace

TEST_CASE("loss drops as often as asked for, and nothing else") {
  Bench bench;
  StageState state;
  CHECK(pass(bench, *makeLoss(0), state) == untouched);
  CHECK(pass(bench, *makeLoss(1), state).dropped == DropReason::Loss);

  const std::vector<Fate> fates = passMany(bench, *makeLoss(0.1), 20'000);
  const auto lost =
      std::count_if(fates.begin(), fates.end(), [](const Fate& fate) { return fate.dropped.has_value(); });
  CHECK(lost > 1'860);  // 99.9 % interval of the binomial distribution
  CHECK(lost < 2'140);
}

TEST_CASE("duplicate sends a second copy as often as asked for") {
  Bench bench;
  const std::vector<Fate> fates = passMany(bench, *makeDuplicate(0.1), 20'000);
  const auto doubled =
      std::count_if(fates.begin(), fates.end(), [](const Fate& fate) { return fate.copies == 2; });
  CHECK(doubled > 1'860);
  CHECK(doubled < 2'140);
  for (const Fate& fate : passMany(bench, *makeDuplicate(1), 10)) CHECK(fate.copies == 2);
  for (const Fate& fate : passMany(bench, *makeDuplicate(0), 10)) CHECK(fate == untouched);
}

TEST_CASE("corrupt inverts exactly one bit, any bit, headers included") {
  Bench bench;
  std::set<std::pair<std::size_t, int>> inverted;
  for (const Fate& fate : passMany(bench, *makeCorrupt(1), 10'000)) {
    REQUIRE(fate.bytes.size() == frameLength);
    REQUIRE(bitsThatDiffer(fate) == 1);
    for (std::size_t at = 0; at < frameLength; ++at) {
      const unsigned difference = static_cast<unsigned>(fate.bytes[at] ^ untouched.bytes[at]);
      if (difference != 0) inverted.insert({at, std::countr_zero(difference)});
    }
  }
  CHECK(inverted.size() == frameLength * 8);
  for (const Fate& fate : passMany(bench, *makeCorrupt(0), 10)) CHECK(fate == untouched);
}

TEST_CASE("corrupt edits a copy of a shared frame, which keeps its identity") {
  Bench bench;
  Frame* original = bench.makeFrame();
  original->references = 2;  // ours and the passage's
  original->arrival = {123};
  original->number = 7;

  Passage passage(*bench.pool, original);
  StageState state{Random(1)};
  makeCorrupt(1)->apply(passage, state);

  CHECK(passage.frame() != original);
  CHECK(original->references == 1);
  CHECK(std::memcmp(original->data, untouched.bytes.data(), frameLength) == 0);
  CHECK(std::memcmp(passage.frame()->data, untouched.bytes.data(), frameLength) != 0);
  CHECK(passage.frame()->arrival == Instant{123});
  CHECK(passage.frame()->number == 7);
  bench.pool->release(passage.frame());
  bench.pool->release(original);
}

TEST_CASE("a frame that cannot be copied is dropped, not edited under others") {
  Bench bench;
  Frame* original = bench.makeFrame();
  original->references = 2;
  std::vector<Frame*> taken;
  while (Frame* frame = bench.pool->acquire(BufferClass::Small)) taken.push_back(frame);

  Passage passage(*bench.pool, original);
  StageState state{Random(1)};
  makeCorrupt(1)->apply(passage, state);

  CHECK(passage.dropped() == DropReason::NoBuffer);
  CHECK(passage.frame() == original);
  CHECK(std::memcmp(original->data, untouched.bytes.data(), frameLength) == 0);
  bench.pool->release(passage.frame());
  bench.pool->release(original);
  for (Frame* frame : taken) bench.pool->release(frame);
}

TEST_CASE("every impairment: settings of 0 leave every frame alone") {
  for (const ImpairmentKind* kind : ImpairmentKind::all()) {
    CAPTURE(std::string(kind->name));
    Bench bench;
    for (const Fate& fate : passMany(bench, *makeWith(*kind, 0), 100)) CHECK(fate == untouched);
  }
}

TEST_CASE("every impairment: the same seed gives the same fates, another seed others") {
  for (const ImpairmentKind* kind : ImpairmentKind::all()) {
    CAPTURE(std::string(kind->name));
    Bench bench;
    const auto impairment = makeWith(*kind, 0.3);
    CHECK(passMany(bench, *impairment, 200, 1) == passMany(bench, *impairment, 200, 1));
    const bool draws = kind->name != "dropEvery";
    CHECK((passMany(bench, *impairment, 200, 1) != passMany(bench, *impairment, 200, 2)) == draws);
  }
}

TEST_CASE("every impairment: a frame that others hold stays as it is") {
  for (const ImpairmentKind* kind : ImpairmentKind::all()) {
    CAPTURE(std::string(kind->name));
    Bench bench;
    Frame* shared = bench.makeFrame();
    shared->references = 2;
    StageState state{Random(1)};
    Passage passage(*bench.pool, shared);
    makeWith(*kind, 1)->apply(passage, state);
    CHECK(std::memcmp(shared->data, untouched.bytes.data(), frameLength) == 0);
    bench.pool->release(passage.frame());
    bench.pool->release(shared);
  }
}

TEST_CASE(
    "kinds are told apart, by name and by stream, and a frame meets them in the order of their places") {
  std::set<std::string_view> names, stages;
  int before = 0;
  std::size_t index = 0;
  for (const ImpairmentKind* kind : ImpairmentKind::all()) {
    CHECK(names.insert(kind->name).second);
    CHECK(stages.insert(kind->stage).second);
    CHECK(kind->index == index++);
    CHECK(kind->place >= before);
    before = kind->place;
    CHECK(&makeWith(*kind, 1)->kind() == kind);
  }
  CHECK(names.contains("loss"));
}

TEST_CASE("adding a stage does not shift the losses") {
  Bench bench;
  const auto lossesBehind = [&](double duplicate, double corrupt) {
    const std::unique_ptr<const Impairment> chain[]{makeDuplicate(duplicate), makeLoss(0.2),
                                                    makeCorrupt(corrupt)};
    std::map<std::string_view, StageState> states;
    for (const auto& impairment : chain)
      states[impairment->kind().name].random = Random(deriveSeed(3, impairment->kind().stage));
    std::vector<bool> lost;
    for (int number = 0; number < 500; ++number) {
      Passage passage(*bench.pool, bench.makeFrame());
      for (const auto& impairment : chain) {
        if (!passage.dropped()) impairment->apply(passage, states[impairment->kind().name]);
      }
      lost.push_back(passage.dropped().has_value());
      bench.pool->release(passage.frame());
    }
    return lost;
  };
  CHECK(lossesBehind(0, 0) == lossesBehind(0.5, 0.5));
}
