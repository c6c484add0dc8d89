#include "binding/policies.hpp"

#include <cstring>
#include <utility>

#include "impairments/registry.hpp"

namespace etherloom {
namespace {

constexpr std::size_t wordBytes = 8;
static_assert(sizeof(FilterInstruction) == wordBytes && sizeof(double) == wordBytes);

struct RecordHead {
  std::uint32_t words;  ///< of the whole record
  std::uint32_t flags;
  std::uint64_t seed;
};
static_assert(sizeof(RecordHead) == 2 * wordBytes);

constexpr std::uint32_t allowedFlag = 1;
constexpr std::uint32_t seededFlag = 2;

struct PartHead {
  std::uint32_t kind;
  std::uint32_t words;  ///< that follow
};
static_assert(sizeof(PartHead) == wordBytes);

/// The numbers of lib/policy-parts.ts. An impairment's is Impairment and its place in impairmentKinds().
enum PartKind : std::uint32_t { Filter = 0, Line = 1, Travel = 2, Netem = 3, Impairment = 16 };

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
  Duration duration() { return {take<std::int64_t>()}; }
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
  std::span<const std::uint8_t> takeBytes(std::size_t count) {
    const auto taken = bytes_.first(count);
    bytes_ = bytes_.subspan(count);
    return taken;
  }
  std::span<const std::uint8_t> bytes_;
};

LineSettings lineOf(Words& words) {
  LineSettings line;
  line.rate = words.integer();
  line.overhead = static_cast<std::uint32_t>(words.integer());
  line.limit.unit = static_cast<Limit::Unit>(words.integer());
  line.limit.amount = words.integer();
  return line;
}

TravelSettings travelOf(Words& words) {
  TravelSettings travel;
  travel.delay = words.duration();
  travel.jitter = words.duration();
  travel.reorder = words.number();
  return travel;
}

/// A table of delays, or nothing: whether there is one, and its number.
const DelayTable* tableOf(Words& words, std::span<const SharedData> shared) {
  const bool any = words.integer() != 0;
  const std::uint64_t number = words.integer();
  return any ? std::get<std::unique_ptr<const DelayTable>>(shared[number]).get() : nullptr;
}

/// In the order of lib/netem/netem.ts.
NetemSettings netemOf(Words& words, std::span<const SharedData> shared) {
  const auto u32 = [&] { return static_cast<std::uint32_t>(words.integer()); };
  const auto s32 = [&] { return static_cast<std::int32_t>(words.integer()); };
  NetemSettings netem;
  const bool seeded = words.integer() != 0;
  const std::uint64_t seed = words.integer();
  if (seeded) netem.seed = seed;
  netem.limit = u32();
  netem.delay = words.duration();
  netem.jitter = s32();
  netem.table = tableOf(words, shared);
  netem.delayCorrelation = u32();
  netem.loss = static_cast<NetemSettings::Loss>(words.integer());
  for (std::uint32_t* value : {&netem.lossProbability, &netem.lossCorrelation, &netem.p13, &netem.p31,
                               &netem.p32, &netem.p23, &netem.p14, &netem.p, &netem.r, &netem.h, &netem.k1}) {
    *value = u32();
  }
  netem.ecn = words.integer() != 0;
  for (std::uint32_t* value :
       {&netem.duplicate, &netem.duplicateCorrelation, &netem.corrupt, &netem.corruptCorrelation,
        &netem.reorder, &netem.reorderCorrelation, &netem.gap}) {
    *value = u32();
  }
  netem.rate = words.integer();
  netem.packetOverhead = s32();
  netem.cellSize = u32();
  netem.cellOverhead = s32();
  netem.slot.least = words.duration();
  netem.slot.most = words.duration();
  netem.slot.delay = words.duration();
  netem.slot.jitter = s32();
  netem.slot.table = tableOf(words, shared);
  netem.slot.packets = s32();
  netem.slot.bytes = s32();
  return netem;
}

Result<void> addPart(Policy& policy, std::uint32_t kind, Words words, std::span<const SharedData> shared) {
  switch (kind) {
    case PartKind::Filter: {
      auto program = FilterProgram::verify(words.rest<FilterInstruction>());
      if (!program) return program.error();
      policy.filter = std::make_shared<const FilterProgram>(std::move(*program));
      return {};
    }
    case PartKind::Line:
      policy.line = lineOf(words);
      return {};
    case PartKind::Travel:
      policy.travel = travelOf(words);
      return {};
    case PartKind::Netem:
      policy.netem = netemOf(words, shared);
      return {};
    default:
      policy.impairments.push_back(impairmentKinds()[kind - PartKind::Impairment].make(words.rest<double>()));
      return {};
  }
}

}  // namespace

std::uint64_t Policies::share(std::size_t kind, std::span<const std::uint8_t> bytes) {
  static_cast<void>(kind);  // there is one
  DelayTable table;
  table.values.resize(bytes.size() / sizeof(std::int16_t));
  std::memcpy(table.values.data(), bytes.data(), table.values.size() * sizeof(std::int16_t));
  shared_.emplace_back(std::make_unique<const DelayTable>(std::move(table)));
  return shared_.size() - 1;
}

Result<std::vector<GivenPolicy>> Policies::read(std::span<const std::uint8_t> records) {
  forgetExpired();
  std::vector<GivenPolicy> given;
  while (!records.empty()) {
    RecordHead head;
    std::memcpy(&head, records.data(), sizeof head);
    const auto record = records.first(head.words * wordBytes);
    records = records.subspan(record.size());

    std::weak_ptr<const Policy>& known = known_[std::string(record.begin(), record.end())];
    auto policy = known.lock();
    if (!policy) {
      auto built = std::make_shared<Policy>();
      built->serial = nextSerial_++;
      built->allowed = (head.flags & allowedFlag) != 0;
      for (Words words(record.subspan(sizeof head)); !words.empty();) {
        const auto [kind, count] = words.take<PartHead>();
        if (auto added = addPart(*built, kind, words.takeWords(count), shared_); !added) return added.error();
      }
      known = policy = std::move(built);
    }
    given.push_back({std::move(policy), head.flags & seededFlag ? std::optional(head.seed) : std::nullopt});
  }
  return given;
}

// Only when the table has grown to twice what it kept: so it costs a little of each read, not all of one.
void Policies::forgetExpired() {
  constexpr std::size_t few = 64;
  if (known_.size() < 2 * kept_ + few) return;
  std::erase_if(known_, [](const auto& entry) { return entry.second.expired(); });
  kept_ = known_.size();
}

}  // namespace etherloom
