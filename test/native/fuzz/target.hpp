// What the fuzz targets share. Each file NAME.cpp here takes bytes that an outsider chooses and holds the
// code against an oracle; what does not hold, aborts. scripts/fuzz.mjs links each with libFuzzer; the native
// tests run all of them on the stored corpora (fuzz_test.cpp).
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

namespace etherloom::fuzz {

using Run = void (*)(std::span<const std::uint8_t> input);

/// The targets that are linked in, by name. Made before main().
inline std::map<std::string_view, Run>& targets() {
  static std::map<std::string_view, Run> all;
  return all;
}

struct Target {
  Target(std::string_view name, Run run) { targets().emplace(name, run); }
};

inline void require(bool holds) {
  if (!holds) std::abort();
}

/// Takes an input from its front; behind its end there are zeros.
class Input {
 public:
  explicit Input(std::span<const std::uint8_t> bytes) : bytes_(bytes) {}

  template <typename T>
  T take() {
    static_assert(std::is_trivially_copyable_v<T>);
    T value{};
    const auto taken = takeBytes(sizeof value);
    if (!taken.empty()) std::memcpy(&value, taken.data(), taken.size());
    return value;
  }
  std::uint8_t byte() { return take<std::uint8_t>(); }
  /// So many, or what is left.
  std::span<const std::uint8_t> takeBytes(std::size_t count) {
    const auto taken = bytes_.first(std::min(count, bytes_.size()));
    bytes_ = bytes_.subspan(taken.size());
    return taken;
  }
  [[nodiscard]] std::span<const std::uint8_t> rest() const { return bytes_; }
  [[nodiscard]] bool empty() const { return bytes_.empty(); }

 private:
  std::span<const std::uint8_t> bytes_;
};

/// Memory of exactly this size, so that a sanitizer sees what leaves it.
inline std::vector<std::uint8_t> exactly(std::span<const std::uint8_t> bytes) {
  return {bytes.begin(), bytes.end()};
}

}  // namespace etherloom::fuzz
