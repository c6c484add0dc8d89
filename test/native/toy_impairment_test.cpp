// An impairment that nothing in native/ knows of: made through the same seam as those there, and met by
// frames where it says.
#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

#include "impairment_fixtures.hpp"
#include "pipeline_fixtures.hpp"

using namespace etherloom;

namespace {

/// Loses every other frame while its probability is drawn: it starts with one that passes.
const ImpairmentKind blinking("blink", "blink", 25, [](std::span<const double> settings) {
  class Blink final : public Impairment {
   public:
    explicit Blink(double probability) : Impairment(blinking), probability_(probability) {}
    [[nodiscard]] ClassMark mark() const noexcept override { return markOf<Blink>(); }
    void apply(Passage& passage, StageState& state) const noexcept override {
      if (!state.random.hit(probability_)) return;
      if (state.memory++ % 2 != 0) passage.drop(DropReason::Loss);
    }

   private:
    double probability_;
  };
  return std::unique_ptr<const Impairment>(std::make_unique<Blink>(settings[0]));
});

}  // namespace

TEST_CASE("toy impairment: a path meets it between those that were there, and keeps its memory") {
  const auto& kinds = ImpairmentKind::all();
  const auto found = std::find(kinds.begin(), kinds.end(), &blinking);
  REQUIRE(found != kinds.end());
  CHECK((*std::prev(found))->name == "outage");
  CHECK((*std::next(found))->name == "loss");

  SeatBench bench;
  std::vector<std::uint32_t> left;
  bench.host.worker = &left;
  bench.host.stage = [](void* numbers, Attachment& to, TxItem item, Instant) noexcept {
    static_cast<std::vector<std::uint32_t>*>(numbers)->push_back(item.frame->number);
    to.port->transmit({&item, 1});
  };
  GivenPath given(bench.seat());
  Policy twice, again;
  const double always = 1;
  for (Policy* policy : {&twice, &again}) {
    policy->add(blinking.make({&always, 1}));
    policy->add(makeDuplicate(1));
  }
  CHECK(twice.impairments.front()->kind().name == "duplicate");
  for (std::uint32_t number = 0; number < 3; ++number) given.admit(bench.frame(0, number), twice);
  for (std::uint32_t number = 3; number < 6; ++number) given.admit(bench.frame(0, number), again);
  CHECK(left == std::vector<std::uint32_t>{0, 0, 2, 2, 4, 4});
}
