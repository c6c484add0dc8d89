#include "policies.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "../impairment_fixtures.hpp"
#include "impairments/loss.hpp"
#include "lines/codel.hpp"
#include "lines/red.hpp"

namespace etherloom::soak {
namespace {

template <typename Value, std::size_t size>
Value oneOf(Random& random, const Value (&values)[size]) {
  return values[random.below(size)];
}

PathFilter filterOf(std::uint64_t wish) {
  const auto make = [](std::initializer_list<FilterInstruction> program) {
    return *FilterProgram::verify(std::span(program.begin(), program.size()));
  };
  static const FilterProgram oddByte = make({{0x30, 0, 0, 19}, {0x54, 0, 0, 1}, {0x16, 0, 0, 0}});
  static const FilterProgram ipv6 =
      make({{0x28, 0, 0, 12}, {0x15, 0, 1, 0x86dd}, {6, 0, 0, 1}, {6, 0, 0, 0}});
  static const FilterProgram isShort =
      make({{0x80, 0, 0, 0}, {0x25, 0, 1, 200}, {6, 0, 0, 0}, {6, 0, 0, 1}});  // at most 200 bytes
  PathFilter filter;
  if (wish == 0) filter.require(oddByte);
  if (wish == 1) filter.drop(ipv6);
  if (wish == 2) filter.require(isShort);
  return filter;
}

/// A bell, more or less, in the units of netem's tables.
const std::shared_ptr<const DelayTable>& table() {
  static const auto made = std::make_shared<const DelayTable>(
      DelayTable{{-16000, -8000, -4000, -2000, 0, 0, 2000, 4000, 8000, 16000}});
  return made;
}

/// As of a log of 50 frames, of which some were lost and some came twice.
std::shared_ptr<const Fates> fatesOf(Random& random, bool corrupts) {
  std::vector<std::uint8_t> bytes;
  const auto append = [&bytes](const auto& value) {
    const auto* start = reinterpret_cast<const std::uint8_t*>(&value);
    bytes.insert(bytes.end(), start, start + sizeof value);
  };
  const auto after = static_cast<std::int64_t>(random.below(3) * 400'000);
  std::uint32_t rank = 0;
  for (unsigned frame = 0; frame < 50; ++frame) {
    const std::uint64_t copies = random.below(8) == 0 ? 2 : 1;
    append(copies);
    for (std::uint64_t copy = 0; copy < copies; ++copy) {
      const bool lost = random.below(10) == 0;
      const std::uint32_t flipped = corrupts && random.below(10) == 0 ? 100 : 0;
      append(lost ? Fates::End{-1 - static_cast<std::int64_t>(DropReason::Loss), 0, 0}
                  : Fates::End{after, flipped, rank++});
    }
  }
  return std::make_shared<const Fates>(bytes);
}

TraceSettings traceOf(Random& random) {
  Trace::Columns columns;
  columns.at = {0, 3'000'000, 6'000'000};
  columns.rate = {20'000'000, oneOf<std::uint64_t>(random, {0, 1'000'000}), 1'000'000'000};
  if (random.below(2)) columns.delay = {500'000, 2'000'000, 0};
  if (random.below(2)) columns.loss = {0, 0.1, 0.01};
  const auto end = oneOf(random, {Trace::End::Loop, Trace::End::Hold, Trace::End::Stop});
  return {std::make_shared<const Trace>(std::move(columns), end, 10'000'000),
          {static_cast<std::int64_t>(random.below(2) * 2'000'000)}};
}

std::shared_ptr<const Discipline> disciplineOf(Random& random) {
  switch (random.below(4)) {
    case 0:
      return std::make_shared<const Codel>(CodelSettings{{500'000}, {5'000'000}, random.below(2) != 0});
    case 1:
      return std::make_shared<const Red>(RedSettings{
          .min = 4096, .max = 16384, .probability = 0.1, .weightShift = 4, .ecn = random.below(2) != 0});
    default:
      return nullptr;
  }
}

LineSettings lineOf(Random& random) {
  LineSettings line;
  line.rate = oneOf<std::uint64_t>(random, {0, 1'000'000, 20'000'000, 1'000'000'000, 100'000'000'000});
  line.overhead = oneOf(random, {0, 24, -4});
  line.limit = oneOf<Limit>(random, {{Limit::Unit::Default, 0},
                                     {Limit::Unit::Frames, 5},
                                     {Limit::Unit::Bytes, 20'000},
                                     {Limit::Unit::Nanoseconds, 2'000'000}});
  if (random.below(4) == 0) line.burst = oneOf<std::uint64_t>(random, {1600, 16'384});
  if (random.below(5) == 0) line.cells = {48, 5};
  line.discipline = disciplineOf(random);
  if (random.below(4) == 0)
    line.slots = {.delay = {300'000},
                  .spread = {100'000},
                  .table = random.below(2) ? table() : nullptr,
                  .frames = random.below(2) * 4,
                  .bytes = random.below(2) * 3000};
  return line;
}

TravelSettings travelOf(Random& random) {
  TravelSettings travel;
  travel.delay = {oneOf<std::int64_t>(random, {1000, 300'000, 2'000'000, 10'000'000})};
  if (random.below(2)) {
    travel.jitter = {200'000};
    if (random.below(2)) travel.table = table();
    if (random.below(3) == 0) travel.correlation = 0.5;
  }
  if (random.below(3) == 0) {
    travel.reorder = oneOf<Chance>(random, {0.5, {0.1, 0.37, 0.07}});
    travel.gap = oneOf<std::uint64_t>(random, {1, 4});
  }
  return travel;
}

NetemSettings netemOf(Random& random, bool corrupts) {
  const auto some = [&random] { return random.below(2) ? 1u << (26 + random.below(6)) : 0u; };
  NetemSettings netem;
  if (random.below(2)) netem.seed = random.next();
  netem.limit = oneOf<std::uint32_t>(random, {3, 1000});
  netem.delay = {oneOf<std::int64_t>(random, {0, 200'000, 3'000'000})};
  netem.jitter = oneOf(random, {0, 100'000});
  if (random.below(3) == 0) netem.table = table();
  netem.delayCorrelation = some();
  netem.loss = oneOf(
      random, {NetemSettings::Loss::Random, NetemSettings::Loss::FourState, NetemSettings::Loss::Gemodel});
  netem.lossProbability = some();
  netem.lossCorrelation = some();
  netem.p13 = netem.p14 = netem.p = some();
  netem.p31 = netem.p32 = netem.p23 = netem.r = 1u << 31;
  netem.h = netem.k1 = some();
  netem.ecn = random.below(2) != 0;
  netem.duplicate = some();
  netem.corrupt = corrupts ? some() : 0;
  netem.reorder = some();
  netem.gap = netem.reorder != 0 ? 1 + static_cast<std::uint32_t>(random.below(3)) : 0;
  netem.rate = oneOf<std::uint64_t>(random, {0, 1'000'000, 100'000'000});
  if (random.below(4) == 0) netem.cellSize = 48, netem.cellOverhead = 5;
  if (random.below(4) == 0) {
    netem.slot.least = {50'000}, netem.slot.most = {200'000};
    netem.slot.packets = static_cast<std::int32_t>(random.below(2) * 3);
    netem.slot.bytes = static_cast<std::int32_t>(random.below(2) * 3000);
  }
  return netem;
}

}  // namespace

DrawnPolicy drawPolicy(Random& random, bool corrupts) {
  const std::uint64_t kind = random.below(16);
  if (kind < 3) return {nullptr, "none"};
  auto policy = std::make_shared<Policy>();
  std::string words;
  const auto say = [&words](const std::string& word) { words += (words.empty() ? "" : " ") + word; };
  if (kind == 3) {
    policy->allowed = false;
    return {policy, "deny"};
  }
  if (random.below(4) == 0) {
    const std::uint64_t wish = random.below(3);
    policy->filter = filterOf(wish);
    say("filter" + std::to_string(wish));
  }
  if (kind == 4) {
    policy->netem = netemOf(random, corrupts);
    say("netem");
    return {policy, words};
  }
  if (kind == 5) {
    policy->replay = fatesOf(random, corrupts);
    policy->replayLoops = random.below(2) != 0;
    say("replay");
    return {policy, words};
  }
  const auto add = [&](std::unique_ptr<const Impairment> impairment) {
    say(std::string(impairment->kind().name));
    policy->add(std::move(impairment));
  };
  switch (kind == 6 ? 6 : random.below(7)) {  // a trace has its own loss
    case 0:
      add(makeLoss(Chance(0.2)));
      break;
    case 1:
      add(makeLoss(Chance(0.2, 0.6, 0.1), WhenLost::Mark));
      break;
    case 2:
      add(makeLoss(GilbertElliott{0.05, 0.3, 0.8, 0.01}));
      break;
    case 3:
      add(makeLoss(FourState{0.1, 0.3, 0.2, 0.4, 0.05}));
      break;
    case 4:
      add(makeRunLoss(0.01, 5));
      break;
    default:
      break;
  }
  if (random.below(4) == 0) add(makeDuplicate(Chance(0.3)));
  if (random.below(6) == 0) add(random.below(2) ? makeOutage(4e6, 1e6, 5e5) : makeRandomOutage(4e6, 1e6));
  if (corrupts && random.below(3) == 0) add(makeCorrupt(Chance(0.2)));
  if (corrupts && random.below(3) == 0) add(makeBitErrors(0.0001));
  if (kind == 6) {
    // What a trace drives has the most of it as its own, as lib/ says it.
    policy->trace = traceOf(random);
    policy->line.emplace().rate = 1'000'000'000;
    if (random.below(2)) policy->line->limit = {Limit::Unit::Frames, 10};
    if (policy->trace.trace->hasDelay()) policy->travel.delay = {2'000'000};
    if (policy->trace.trace->hasLoss()) policy->add(makeTraceLoss());
    say("trace");
    return {policy, words};
  }
  if (random.below(3) == 0) {
    policy->line = lineOf(random);
    say("line");
  }
  if (random.below(3) == 0) {
    policy->travel = travelOf(random);
    say("travel");
  }
  return {policy, words.empty() ? "nothing" : words};
}

PortSettings drawSettings(Random& random, bool vlans) {
  PortSettings settings;
  if (random.below(3) == 0) settings.delay = {oneOf<std::int64_t>(random, {50'000, 1'000'000, 8'000'000})};
  if (random.below(4) == 0) {
    auto receive = std::make_shared<ReceiveFilter>();
    receive->broadcast = random.below(3) != 0;
    receive->multicast = random.below(2) != 0;
    for (std::uint64_t station = 0; station < 16; station += 1 + random.below(3))
      receive->addresses.push_back(0x025000000000 + station);
    settings.receive = std::move(receive);
  }
  if (random.below(4) == 0)
    settings.storm.perSecond = {static_cast<std::uint32_t>(random.below(100'000)), std::nullopt,
                                static_cast<std::uint32_t>(random.below(10'000))};
  if (random.below(6) == 0) settings.group = "group" + std::to_string(random.below(2));
  if (vlans && random.below(4) != 0) {
    static constexpr std::uint16_t trunk[]{10, 20, 30};
    settings.vlans =
        std::make_shared<const PortVlans>(oneOf<std::uint16_t>(random, {0, 1, 10, 20}),
                                          std::span(trunk).first(static_cast<std::size_t>(random.below(4))));
  }
  return settings;
}

}  // namespace etherloom::soak
