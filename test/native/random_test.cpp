// Random and deriveSeed against values computed by an independent implementation of the published
// descriptions, which was itself checked against the vectors of their authors. Stored results of users rest
// on these numbers.
#include "impairments/random.hpp"

#include <doctest/doctest.h>

#include <array>
#include <limits>

using namespace etherloom;

namespace {

constexpr std::uint64_t largest = std::numeric_limits<std::uint64_t>::max();

std::array<std::uint64_t, 4> firstFour(std::uint64_t seed) {
  Random random(seed);
  return {random.next(), random.next(), random.next(), random.next()};
}

/// Did `use` draw this many numbers from the stream?
template <typename Use>
bool draws(unsigned count, Use&& use) {
  Random used(5), reference(5);
  use(used);
  for (unsigned drawn = 0; drawn < count; ++drawn) reference.next();
  return used.next() == reference.next();
}

}  // namespace

TEST_CASE("a seed gives the published stream") {
  CHECK(firstFour(0) == std::array<std::uint64_t, 4>{0x6f68e1e7e2646ee1, 0xbf971b7f454094ad,
                                                     0x48f2de556f30de38, 0x6ea7c59f89bbfc75});
  CHECK(firstFour(1234567) == std::array<std::uint64_t, 4>{0xdad776d2135e08aa, 0x2d58d5d415e8b6c4,
                                                           0x28af12ce71ea02f5, 0xd4222c165abf4126});
  CHECK(firstFour(largest) == std::array<std::uint64_t, 4>{0xb897602e7938c912, 0x92ac733c00c69e74,
                                                           0x79077f68c57fd4f5, 0xc2236f3f6278b151});
}

TEST_CASE("never and always draw nothing, everything between draws once") {
  CHECK(draws(0, [](Random& random) { CHECK_FALSE(random.hit(0)); }));
  CHECK(draws(0, [](Random& random) { CHECK(random.hit(1)); }));
  CHECK(draws(1, [](Random& random) { CHECK_FALSE(random.hit(1e-300)); }));
  CHECK(draws(1, [](Random& random) { CHECK(random.hit(1 - 0x1p-53)); }));
  CHECK(draws(1, [](Random& random) { CHECK(random.below(10) < 10); }));
}

TEST_CASE("hits come as often as asked for") {
  Random random(1);
  for (const double probability : {0.001, 0.02, 0.5, 0.99}) {
    constexpr int draws = 200'000;
    int hits = 0;
    for (int draw = 0; draw < draws; ++draw) hits += random.hit(probability);
    CAPTURE(probability);
    CHECK(hits == doctest::Approx(draws * probability).epsilon(0.15));
  }
}

TEST_CASE("uniform stays in [0, 1) and below() in its bound, evenly") {
  Random random(2);
  std::array<int, 10> tenths{}, digits{};
  constexpr int draws = 100'000;
  for (int draw = 0; draw < draws; ++draw) {
    const double value = random.uniform();
    REQUIRE(value >= 0);
    REQUIRE(value < 1);
    ++tenths[static_cast<std::size_t>(value * 10)];
    const std::uint64_t digit = random.below(10);
    REQUIRE(digit < 10);
    ++digits[digit];
  }
  for (const auto& counts : {tenths, digits}) {
    double chiSquare = 0;
    for (const int count : counts)
      chiSquare += (count - draws / 10.0) * (count - draws / 10.0) / (draws / 10.0);
    CHECK(chiSquare < 27.9);  // 99.9 % quantile for 9 degrees of freedom
  }
  CHECK(random.below(1) == 0);
  CHECK(random.below(largest) < largest);
}

TEST_CASE("seeds derived from names are these, on every machine") {
  CHECK(deriveSeed(0, "") == 0xe220a8397b1dcdaf);
  CHECK(deriveSeed(7, "loss") == 0x14a3298420131a5a);
  CHECK(deriveSeed(7, "wifi1", "left0", "right0", "loss") == 0x6cbd15d71632f225);
  CHECK(deriveSeed(largest, "exactly8", "nine char") == 0x6a16971670b37c70);
}

TEST_CASE("names are told apart, however they are cut") {
  CHECK(deriveSeed(7, "wifi1", "left0") == deriveSeed(deriveSeed(7, "wifi1"), "left0"));
  CHECK(deriveSeed(7, "ab", "c") != deriveSeed(7, "a", "bc"));
  CHECK(deriveSeed(7, "a", "b") != deriveSeed(7, "b", "a"));
  CHECK(deriveSeed(7, "a") != deriveSeed(7, std::string_view("a\0", 2)));
  CHECK(deriveSeed(7, "a") != deriveSeed(8, "a"));
}
