#include "binding/policies.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <type_traits>
#include <utility>

#include "impairments/loss.hpp"

namespace etherloom {
namespace {

constexpr std::size_t wordBytes = 8;
static_assert(sizeof(FilterInstruction) == wordBytes && sizeof(double) == wordBytes);

struct PolicyRecordHead {
  std::uint32_t words;  ///< of the whole record
  std::uint32_t flags;
  std::uint64_t seed;
};
static_assert(sizeof(PolicyRecordHead) == 2 * wordBytes);

constexpr std::uint32_t allowedFlag = 1;
constexpr std::uint32_t seededFlag = 2;

struct PartHead {
  std::uint32_t kind;
  std::uint32_t words;  ///< that follow
};
static_assert(sizeof(PartHead) == wordBytes);

/// The numbers of lib/policy/parts.ts. What an impairment is begins with its name.
enum class PartKind : std::uint32_t {
  Filter = 0,
  Line = 1,
  Travel = 2,
  Netem = 3,
  Trace = 4,
  Replay = 5,
  Drop = 6,
  Impairment = 16
};

/// Takes values from the front of bytes that hold them.
class Words {
 public:
  explicit Words(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}

  [[nodiscard]] bool empty() const { return bytes_.empty(); }
  [[nodiscard]] std::size_t count() const { return bytes_.size() / wordBytes; }

  template <typename Value>
  Value take() {
    Value value;
    std::memcpy(&value, takeBytes(sizeof value).data(), sizeof value);
    return value;
  }
  double number() { return take<double>(); }
  std::uint64_t integer() { return take<std::uint64_t>(); }
  /// A word for each of them: doubles as they are, everything else as an integer.
  template <typename... Values>
  void into(Values&... values) {
    (readInto(values), ...);
  }
  /// Its length, and its bytes in whole words.
  std::string name() {
    const std::size_t length = integer();
    const auto bytes = takeBytes((length + wordBytes - 1) / wordBytes * wordBytes).first(length);
    return {bytes.begin(), bytes.end()};
  }
  /// All that is left.
  template <typename Value>
  std::vector<Value> rest() {
    std::vector<Value> values(bytes_.size() / sizeof(Value));
    if (!values.empty()) std::memcpy(values.data(), bytes_.data(), values.size() * sizeof(Value));
    bytes_ = {};
    return values;
  }
  Words takeWords(std::size_t words) { return Words(takeBytes(words * wordBytes)); }

 private:
  template <typename Value>
  void readInto(Value& value) {
    if constexpr (std::is_same_v<Value, double>) {
      value = take<double>();
    } else if constexpr (std::is_same_v<Value, Duration>) {
      value = {take<std::int64_t>()};
    } else {
      value = static_cast<Value>(take<std::int64_t>());
    }
  }
  std::span<const std::uint8_t> takeBytes(std::size_t count) {
    const auto taken = bytes_.first(count);
    bytes_ = bytes_.subspan(count);
    return taken;
  }
  std::span<const std::uint8_t> bytes_;
};

/// The data that a record may name, by number.
using Named = std::map<std::uint64_t, std::shared_ptr<const SharedData>>;

/// The data of this number, which must be of this kind.
template <typename Kind>
std::shared_ptr<const Kind> sharedOf(std::uint64_t number, const Named& named) {
  const auto& shared = named.at(number);
  return {shared, &std::get<Kind>(shared->data)};
}

/// A table of delays, or nothing: whether there is one, and its number.
std::shared_ptr<const DelayTable> tableOf(Words& words, const Named& named) {
  const bool any = words.integer() != 0;
  const std::uint64_t number = words.integer();
  return any ? sharedOf<DelayTable>(number, named) : nullptr;
}

Result<LineSettings> lineOf(Words& words, const Named& named) {
  LineSettings line;
  words.into(line.rate, line.overhead, line.limit.unit, line.limit.amount, line.burst, line.cells.size,
             line.cells.overhead, line.slots.delay, line.slots.spread);
  line.slots.table = tableOf(words, named);
  words.into(line.slots.frames, line.slots.bytes);
  const std::string discipline = words.name();
  if (discipline.empty()) return line;
  const DisciplineKind* kind = DisciplineKind::find(discipline);
  if (!kind) return Error{0, "", "there is no queue discipline '" + discipline + "'"};
  line.discipline = kind->make(words.rest<std::uint64_t>());
  return line;
}

TravelSettings travelOf(Words& words, const Named& named) {
  TravelSettings travel;
  words.into(travel.delay, travel.jitter, travel.reorder.first, travel.reorder.again, travel.reorder.anew,
             travel.gap, travel.correlation);
  travel.table = tableOf(words, named);
  return travel;
}

/// In the order of lib/policy/netem/netem.ts.
NetemSettings netemOf(Words& words, const Named& named) {
  NetemSettings netem;
  const bool seeded = words.integer() != 0;
  const std::uint64_t seed = words.integer();
  if (seeded) netem.seed = seed;
  words.into(netem.limit, netem.delay, netem.jitter);
  netem.table = tableOf(words, named);
  words.into(netem.delayCorrelation, netem.loss, netem.lossProbability, netem.lossCorrelation, netem.p13,
             netem.p31, netem.p32, netem.p23, netem.p14, netem.p, netem.r, netem.h, netem.k1, netem.ecn,
             netem.duplicate, netem.duplicateCorrelation, netem.corrupt, netem.corruptCorrelation,
             netem.reorder, netem.reorderCorrelation, netem.gap, netem.rate, netem.packetOverhead,
             netem.cellSize, netem.cellOverhead);
  NetemSettings::Slot& slot = netem.slot;
  words.into(slot.least, slot.most, slot.delay, slot.jitter);
  slot.table = tableOf(words, named);
  words.into(slot.packets, slot.bytes);
  return netem;
}

TraceSettings traceOf(Words& words, const Named& named) {
  TraceSettings settings;
  settings.trace = sharedOf<Trace>(words.integer(), named);
  words.into(settings.offset);
  return settings;
}

/// A table of delays, as its values.
DelayTable delayTableOf(Words words) { return {words.rest<std::int16_t>()}; }

/// A trace, as lib/policy/lines/trace.ts lays it out, in doubles: its end, its period, which columns it has,
/// and the columns one after the other.
Trace traceDataOf(Words words) {
  const auto end = static_cast<Trace::End>(words.number());
  const auto period = static_cast<std::int64_t>(words.number());
  const auto present = static_cast<unsigned>(words.number());
  const std::size_t rows = words.count() / static_cast<std::size_t>(1 + std::popcount(present));
  Trace::Columns columns;
  const auto read = [&]<typename Value>(std::vector<Value>& column) {
    column.reserve(rows);
    for (std::size_t row = 0; row < rows; ++row) column.push_back(static_cast<Value>(words.number()));
  };
  read(columns.at);
  if (present & 1) read(columns.rate);
  if (present & 2) read(columns.jump);
  if (present & 4) read(columns.delay);
  if (present & 8) read(columns.loss);
  return {std::move(columns), end, period};
}

Result<void> addPart(Policy& policy, std::uint32_t kind, Words words, const Named& named) {
  switch (static_cast<PartKind>(kind)) {
    case PartKind::Filter:
    case PartKind::Drop: {
      auto program = FilterProgram::verify(words.rest<FilterInstruction>());
      if (!program) return program.error();
      if (static_cast<PartKind>(kind) == PartKind::Filter) {
        policy.filter.require(std::move(*program));
      } else {
        policy.filter.drop(std::move(*program));
      }
      return {};
    }
    case PartKind::Line: {
      auto line = lineOf(words, named);
      if (!line) return line.error();
      policy.line = std::move(*line);
      return {};
    }
    case PartKind::Travel:
      policy.travel = travelOf(words, named);
      return {};
    case PartKind::Netem:
      policy.netem = netemOf(words, named);
      return {};
    case PartKind::Trace:
      policy.trace = traceOf(words, named);
      return {};
    case PartKind::Replay:
      policy.replay = sharedOf<Fates>(words.integer(), named);
      policy.replayLoops = words.integer() != 0;
      return {};
    case PartKind::Impairment: {
      const std::string name = words.name();
      const ImpairmentKind* asked = ImpairmentKind::find(name);
      if (!asked) return Error{0, "", "there is no impairment '" + name + "'"};
      policy.add(asked->make(words.rest<double>()));
      return {};
    }
  }
  return Error{0, "", "there is no part of a policy with the number " + std::to_string(kind)};
}

}  // namespace

std::optional<std::uint64_t> Policies::shared(const std::string& key) {
  const auto known = shared_[key].lock();
  if (!known) return {};
  named_.emplace(known->number, known);
  return known->number;
}

std::uint64_t Policies::share(const std::string& key, std::size_t kind, std::span<const std::uint8_t> bytes) {
  using Data = decltype(SharedData::data);
  const auto data = [&]() -> Data {
    if (kind == 0) return delayTableOf(Words(bytes));
    if (kind == 1) return traceDataOf(Words(bytes));
    return Fates(bytes);
  };
  const auto shared = std::make_shared<const SharedData>(nextNumber_++, data());
  shared_[key] = shared;
  named_.emplace(shared->number, shared);
  return shared->number;
}

Result<std::vector<GivenPolicy>> Policies::read(std::span<const std::uint8_t> records) {
  const Named named = std::exchange(named_, {});
  std::vector<GivenPolicy> given;
  while (!records.empty()) {
    PolicyRecordHead head;
    std::memcpy(&head, records.data(), sizeof head);
    const auto record = records.first(head.words * wordBytes);
    records = records.subspan(record.size());

    std::weak_ptr<const Policy>& known = policies_[std::string(record.begin(), record.end())];
    auto policy = known.lock();
    if (!policy) {
      auto built = std::make_shared<Policy>();
      built->allowed = (head.flags & allowedFlag) != 0;
      for (Words words(record.subspan(sizeof head)); !words.empty();) {
        const auto [kind, count] = words.take<PartHead>();
        if (auto added = addPart(*built, kind, words.takeWords(count), named); !added) return added.error();
      }
      if (built->trace.trace && built->trace.trace->hasLoss()) built->add(makeTraceLoss());
      known = policy = std::move(built);
    }
    given.push_back({std::move(policy), head.flags & seededFlag ? std::optional(head.seed) : std::nullopt});
  }
  return given;
}

}  // namespace etherloom
