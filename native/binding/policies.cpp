#include "binding/policies.hpp"

#include <cstring>

#include "impairments/registry.hpp"

namespace etherloom {
namespace {

constexpr std::size_t wordBytes = 8;
static_assert(sizeof(FilterInstruction) == wordBytes && sizeof(double) == wordBytes);

/// The head of a record. After it come the settings of its impairments and the instructions of its filter.
struct Head {
  std::uint32_t instructions;
  std::uint32_t impairments;  ///< a bit for each in use, by its place in impairmentKinds()
  std::uint32_t overhead;
  std::uint8_t flags;
  std::uint8_t queueUnit;
  std::uint16_t unused;
  std::int64_t delay;
  std::int64_t jitter;
  double reorder;
  std::uint64_t rate;  ///< 0: no line
  std::uint64_t queueAmount;
  std::uint64_t seed;
};
static_assert(sizeof(Head) == 8 * wordBytes);

constexpr std::uint8_t allowedFlag = 1;
constexpr std::uint8_t seededFlag = 2;

/// How many words follow the head.
std::size_t tailWords(const Head& head) {
  std::size_t words = head.instructions;
  for (std::size_t place = 0; place < impairmentKinds().size(); ++place) {
    if (head.impairments >> place & 1) words += impairmentKinds()[place].settings;
  }
  return words;
}

Result<std::shared_ptr<const Policy>> build(const Head& head, const std::uint8_t* tail,
                                            std::uint64_t serial) {
  auto policy = std::make_shared<Policy>();
  policy->serial = serial;
  policy->allowed = head.flags & allowedFlag;
  for (std::size_t place = 0; place < impairmentKinds().size(); ++place) {
    if (!(head.impairments >> place & 1)) continue;
    const ImpairmentKind& kind = impairmentKinds()[place];
    std::vector<double> settings(kind.settings);
    std::memcpy(settings.data(), tail, settings.size() * wordBytes);
    policy->impairments.push_back(kind.make(settings));
    tail += settings.size() * wordBytes;
  }
  if (head.instructions > 0) {
    std::vector<FilterInstruction> instructions(head.instructions);
    std::memcpy(instructions.data(), tail, instructions.size() * wordBytes);
    auto program = FilterProgram::verify(instructions);
    if (!program) return program.error();
    policy->filter = std::make_shared<const FilterProgram>(std::move(*program));
  }
  if (head.rate > 0) {
    const Limit limit{static_cast<Limit::Unit>(head.queueUnit), head.queueAmount};
    policy->line = LineSettings{head.rate, head.overhead, limit};
  }
  policy->travel = {{head.delay}, {head.jitter}, head.reorder};
  return std::shared_ptr<const Policy>(std::move(policy));
}

}  // namespace

Result<std::vector<GivenPolicy>> Policies::read(std::span<const std::uint8_t> records) {
  forgetExpired();
  std::vector<GivenPolicy> given;
  while (!records.empty()) {
    Head head;
    std::memcpy(&head, records.data(), sizeof head);
    const auto record = records.first(sizeof head + tailWords(head) * wordBytes);
    records = records.subspan(record.size());

    std::weak_ptr<const Policy>& known = known_[std::string(record.begin(), record.end())];
    auto policy = known.lock();
    if (!policy) {
      auto built = build(head, record.data() + sizeof head, nextSerial_++);
      if (!built) return built.error();
      known = policy = std::move(*built);
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
