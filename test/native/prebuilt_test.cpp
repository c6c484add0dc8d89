// What the prebuilt addons have in place of the compiler's own code.
#include <doctest/doctest.h>

#include <cstdint>
#include <random>

// Under other names, for here the compiler's own are the witness.
#define __udivti3 ownUnsignedDivision
#define __divti3 ownDivision
#define __cxa_demangle ownDemangle
extern "C" {
#include "../../scripts/prebuild/own.c"
}
#undef __udivti3
#undef __divti3
#undef __cxa_demangle

TEST_CASE("128-bit division is that of the compiler, for numbers of every length") {
  std::mt19937_64 random(14);
  const auto draw = [&] {
    const Wide bits = static_cast<Wide>(random()) << 64 | random();
    return bits >> (random() % 128);
  };
  for (int round = 0; round < 200'000; ++round) {
    Wide number = draw();
    Wide divisor = draw();
    if (divisor == 0) divisor = 1;
    if (round % 4 == 1) number = ~Wide{0} - number % 3;
    if (round % 4 == 2)
      number = number / divisor * divisor - (round & 8 ? 1 : 0);  // at the edge of a quotient
    if (round % 4 == 3) divisor = divisor | static_cast<Wide>(~std::uint64_t{0}) << (random() % 64);
    REQUIRE(ownUnsignedDivision(number, divisor) == number / divisor);
    if (static_cast<__int128>(number) == static_cast<__int128>(Wide{1} << 127)) continue;
    REQUIRE(ownDivision(static_cast<__int128>(number), static_cast<__int128>(divisor)) ==
            static_cast<__int128>(number) / static_cast<__int128>(divisor));
  }
}
