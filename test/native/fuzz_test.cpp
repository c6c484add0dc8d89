// The fuzz targets on their stored corpora, so that every build of the native tests runs them: other
// compilers, other sanitizers. Run from the top of the checkout.
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "fuzz/target.hpp"

using namespace etherloom;

TEST_CASE("fuzz targets: the stored inputs, and their beginnings") {
  for (const auto& [name, run] : fuzz::targets()) {
    CAPTURE(name);
    const std::filesystem::path corpus = std::filesystem::path("test/native/fuzz/corpus") / name;
    REQUIRE(std::filesystem::is_directory(corpus));
    for (const auto& file : std::filesystem::directory_iterator(corpus)) {
      std::ifstream stream(file.path(), std::ios::binary);
      const std::vector<char> read{std::istreambuf_iterator<char>(stream), {}};
      std::vector<std::uint8_t> bytes(read.begin(), read.end());
      run(bytes);
      while (!bytes.empty()) {
        bytes.resize(bytes.size() * 7 / 8);
        run(bytes);
      }
    }
  }
}
