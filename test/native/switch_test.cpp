// The fabrics through their contract: verdicts, what is learned, and what is told.
#include "fabrics/switch.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

#include "fabrics/hub.hpp"

using namespace etherloom;

namespace {

constexpr std::uint64_t red = 0x020000000001, green = 0x020000000002, broadcast = 0xffffffffffff;
constexpr std::uint64_t bridgeGroup = 0x0180c2000000;
constexpr Seat left{0}, right{1}, third{2};

constexpr Instant at(std::int64_t milliseconds) { return {milliseconds * 1'000'000}; }

/// A fabric and the worker around it: decides one frame at a time and applies the log after it.
struct Bench {
  explicit Bench(const Fabric& decider) : fabric(decider) {}

  const Fabric& fabric;
  std::array<std::uint8_t, 64> bytes{};

  Verdict decide(Seat from, std::uint64_t source, std::uint64_t destination, Instant now, LearnLog& log,
                 std::uint16_t vlan = 0) {
    for (int index = 0; index < 6; ++index) {
      bytes[static_cast<std::size_t>(index)] = static_cast<std::uint8_t>(destination >> (40 - 8 * index));
      bytes[static_cast<std::size_t>(6 + index)] = static_cast<std::uint8_t>(source >> (40 - 8 * index));
    }
    bytes[12] = vlan != 0 ? 0x81 : 0x08;
    bytes[14] = static_cast<std::uint8_t>(vlan >> 8);
    bytes[15] = static_cast<std::uint8_t>(vlan);
    Frame frame;
    frame.data = bytes.data();
    frame.length = 60;
    Frame* const frames[]{&frame};
    Verdict verdict = Verdict::drop(DropReason::Count);
    fabric.decide(from, frames, {}, now, {&verdict, 1}, log);
    return verdict;
  }
};

/// A switch that learns after each frame.
struct SwitchBench {
  explicit SwitchBench(const SwitchSettings& settings = {}) : fabric(settings) {}

  Switch fabric;
  Bench bench{fabric};
  std::size_t logged = 0;
  std::vector<AddressMove> moves;

  Verdict pass(Seat from, std::uint64_t source, std::uint64_t destination, Instant now = {},
               std::uint16_t vlan = 0) {
    LearnLog log;
    const Verdict verdict = bench.decide(from, source, destination, now, log, vlan);
    logged += log.entries().size();
    fabric.learn(log.entries(), [&](const AddressMove& move) { moves.push_back(move); });
    return verdict;
  }
};

}  // namespace

TEST_CASE("a hub floods everything and learns nothing") {
  const Hub hub;
  Bench bench(hub);
  LearnLog log;
  for (const std::uint64_t destination : {red, broadcast, bridgeGroup}) {
    CHECK(bench.decide(left, green, destination, {}, log) == Verdict::flood());
  }
  CHECK(log.entries().empty());
  CHECK(hub.addresses({}).empty());
}

TEST_CASE("a switch floods what it does not know, and then knows where it is") {
  SwitchBench s;
  CHECK(s.pass(left, red, green) == Verdict::flood());
  CHECK(s.pass(right, green, red) == Verdict::to(left));
  CHECK(s.pass(left, red, green) == Verdict::to(right));
  CHECK(s.pass(left, red, broadcast) == Verdict::flood());
  CHECK(s.fabric.addresses({}).size() == 2);
}

TEST_CASE("a frame for where it came from is dropped") {
  SwitchBench s;
  s.pass(left, red, broadcast);
  CHECK(s.pass(left, green, red) == Verdict::drop(DropReason::NotForUs));
}

TEST_CASE("group addresses are flooded and never learned") {
  SwitchBench s;
  s.pass(left, broadcast, green);
  s.pass(left, 0x01005e000001, green);
  CHECK(s.fabric.addresses({}).empty());
  CHECK(s.pass(right, green, 0x01005e000001) == Verdict::flood());
}

TEST_CASE("reserved addresses are dropped unless asked for; the sender is learned all the same") {
  SwitchBench s;
  CHECK(s.pass(left, red, bridgeGroup) == Verdict::drop(DropReason::Reserved));
  CHECK(s.pass(left, red, bridgeGroup + 0xf) == Verdict::drop(DropReason::Reserved));
  CHECK(s.pass(left, red, bridgeGroup + 0x10) == Verdict::flood());
  CHECK(s.pass(right, green, red) == Verdict::to(left));

  SwitchBench open({.forwardReserved = true});
  CHECK(open.pass(left, red, bridgeGroup) == Verdict::flood());
}

TEST_CASE("VLANs are learned apart") {
  SwitchBench s;
  s.pass(left, red, broadcast, {}, 5);
  CHECK(s.pass(right, green, red, {}, 5) == Verdict::to(left));
  CHECK(s.pass(right, green, red, {}, 6) == Verdict::flood());
  CHECK(s.pass(right, green, red) == Verdict::flood());
}

TEST_CASE("a steady flow is written down once a second, so that it never ages") {
  SwitchBench s;
  for (int millisecond = 0; millisecond <= 1000; ++millisecond) s.pass(left, red, green, at(millisecond));
  CHECK(s.logged == 1);
  s.pass(left, red, green, at(1001));
  CHECK(s.logged == 2);
  for (int tick = 2; tick <= 1000; ++tick) s.pass(left, red, green, at(tick * 1001));
  CHECK(s.pass(right, green, red, at(1000 * 1001)) == Verdict::to(left));
}

TEST_CASE("an address that is silent is forgotten after the ageing time") {
  SwitchBench s;
  s.pass(left, red, broadcast, at(0));
  CHECK(s.pass(right, green, red, at(299'999)) == Verdict::to(left));
  CHECK(s.pass(right, green, red, at(300'000)) == Verdict::flood());
}

TEST_CASE("an ageing time under a second does not forget who keeps talking") {
  SwitchBench s({.ageing = {100'000'000}});
  s.pass(left, red, broadcast, at(0));
  for (int millisecond = 1; millisecond < 500; ++millisecond) {
    REQUIRE(s.pass(right, green, red, at(millisecond)) == Verdict::to(left));
    s.pass(left, red, broadcast, at(millisecond));
  }
  SwitchBench never({.ageing = {0}});
  never.pass(left, red, broadcast);
  CHECK(never.pass(right, green, red) == Verdict::flood());
}

TEST_CASE("a move is followed at once and told once") {
  SwitchBench s;
  s.pass(left, red, broadcast, at(0));
  s.pass(third, red, broadcast, at(1));
  s.pass(third, red, broadcast, at(2));
  CHECK(s.pass(right, green, red, at(3)) == Verdict::to(third));
  REQUIRE(s.moves.size() == 1);
  CHECK(s.moves[0].address == AddressKey::of(red, 0));
  CHECK(s.moves[0].from == left);
  CHECK(s.moves[0].to == third);
}

TEST_CASE("an address that moves five times within a second flaps; then its moves are counted and not told") {
  SwitchBench s;
  const auto move = [&](int number, Instant now) {
    s.pass(number % 2 == 0 ? left : right, red, broadcast, now);
  };
  for (int number = 0; number <= 100; ++number) move(number, at(number));
  REQUIRE(s.moves.size() == 5);
  for (std::size_t told = 0; told < 5; ++told) CHECK(s.moves[told].flaps == (told == 4));
  CHECK(s.moves[4].from == left);
  CHECK(s.moves[4].to == right);

  EpisodeState state = s.fabric.endFlapping(AddressKey::of(red, 0), at(99));
  CHECK(state.goesOn == 1);
  CHECK(state.last == at(100).nanoseconds);
  state = s.fabric.endFlapping(AddressKey::of(red, 0), at(100));
  CHECK(state.goesOn == 0);
  CHECK(state.hits == 100);
  for (int number = 101; number <= 105; ++number) move(number, at(2000));
  REQUIRE(s.moves.size() == 10);
  CHECK(s.moves[9].flaps);
}

TEST_CASE("an address that moves four times a second does not flap") {
  SwitchBench s;
  for (int number = 0; number <= 100; ++number)
    s.pass(number % 2 == 0 ? left : right, red, broadcast, at(250 * number));
  CHECK(s.moves.size() == 100);
  for (const AddressMove& move : s.moves) CHECK_FALSE(move.flaps);
}

TEST_CASE("of the addresses of a loop some are named, and all moves cost as many words as one address does") {
  SwitchBench s;
  for (int round = 0; round < 20; ++round) {
    for (std::uint64_t source = red; source < red + 1000; ++source)
      s.pass(round % 2 == 0 ? left : right, source, broadcast, at(round));
  }
  const auto named = static_cast<std::size_t>(
      std::count_if(s.moves.begin(), s.moves.end(), [](const AddressMove& move) { return move.flaps; }));
  CHECK(named >= 32);
  CHECK(named <= 64);
  CHECK(s.moves.size() - named <= 102);  // at once, and in the time that it took
}

TEST_CASE("at most a hundred moves a second are told, of however many addresses") {
  SwitchBench s;
  for (const Seat seat : {left, right}) {
    for (std::uint64_t source = red; source < red + 1000; ++source) s.pass(seat, source, broadcast, at(0));
  }
  CHECK(s.moves.size() == 100);
  s.pass(third, red, broadcast, at(10));
  s.pass(third, red + 1, broadcast, at(10));
  CHECK(s.moves.size() == 101);
}

TEST_CASE("what was learned from a port goes with it") {
  SwitchBench s;
  s.pass(left, red, broadcast);
  s.pass(right, green, broadcast);
  s.fabric.forget(left);
  CHECK(s.pass(right, green, red) == Verdict::flood());
  CHECK(s.pass(third, red, green) == Verdict::to(right));
}

TEST_CASE("the table holds as many addresses as asked for") {
  SwitchBench s({.addresses = 4});
  for (std::uint64_t source = red; source < red + 10; ++source) s.pass(left, source, broadcast);
  CHECK(s.fabric.addresses({}).size() == 4);
}

TEST_CASE("a burst is decided frame by frame, in order") {
  Switch fabric({});
  fabric.learn(std::array{Learned{AddressKey::of(green, 0), right, {}}}, [](const AddressMove&) {});
  std::array<std::array<std::uint8_t, 14>, 3> bytes{};
  std::array<Frame, 3> frames;
  std::array<Frame*, 3> burst;
  const std::array<std::uint64_t, 3> destinations{green, broadcast, red};
  for (std::size_t index = 0; index < 3; ++index) {
    for (std::size_t byte = 0; byte < 6; ++byte) {
      bytes[index][byte] = static_cast<std::uint8_t>(destinations[index] >> (40 - 8 * byte));
    }
    bytes[index][6] = 0x02;
    frames[index].data = bytes[index].data();
    frames[index].length = 14;
    burst[index] = &frames[index];
  }
  std::array<Verdict, 3> verdicts;
  verdicts.fill(Verdict::drop(DropReason::Count));
  LearnLog log;
  fabric.decide(left, burst, {}, {}, verdicts, log);
  CHECK(verdicts == std::array{Verdict::to(right), Verdict::flood(), Verdict::flood()});
}
