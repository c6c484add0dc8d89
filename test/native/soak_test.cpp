// A few rounds of the soak, so that every build of the native tests runs them: other sanitizers, other
// compilers. `npm run soak -- --native` runs many.
#include <doctest/doctest.h>

#include "soak/soak.hpp"

using namespace etherloom;

TEST_CASE("soak: random programs of ports, policies and their changes, with frames under way") {
  std::uint64_t offered = 0;
  for (std::uint64_t round = 0; round < 4; ++round) {
    CAPTURE(round);
    const soak::Outcome outcome = soak::play(soak::generate(20261129, round, 0));
    CHECK(outcome.fault.value_or("") == "");
    offered += outcome.offered;
  }
  CHECK(offered > 0);
}
