// The policies that an environment's engine was given, built from the records that JavaScript sends and known
// again by them, and the data that policies refer to. JavaScript thread only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include "lines/delay_table.hpp"
#include "lines/trace.hpp"
#include "os/error.hpp"
#include "pipeline/fates.hpp"
#include "pipeline/policy.hpp"

namespace etherloom {

/// A record: the policy, and what of it concerns the path alone.
struct GivenPolicy {
  std::shared_ptr<const Policy> policy;
  std::optional<std::uint64_t> seed;
};

/// What is too large to be a part of each policy that refers to it: the kinds of lib/policy/shared-data.ts,
/// in the same order, and a number that is never another's. Lives as long as a policy refers to it, or a path
/// that was given such a policy.
struct SharedData {
  std::uint64_t number;
  std::variant<DelayTable, Trace, Fates> data;
};

class Policies {
 public:
  /// The number of the data that was given this key, if it lives. It does until the next read() then.
  [[nodiscard]] std::optional<std::uint64_t> shared(const std::string& key);
  /// Takes data of a kind, by its place in SharedData, and returns its number. It lives until the next read()
  /// at least.
  std::uint64_t share(const std::string& key, std::size_t kind, std::span<const std::uint8_t> bytes);

  /// Reads records as lib/policy/records.ts lays them out, which name shared data by the numbers given since
  /// the last one. A policy is built once for all paths that are given the same record, for as long as one of
  /// them has it.
  [[nodiscard]] Result<std::vector<GivenPolicy>> read(std::span<const std::uint8_t> records);

 private:
  /// What lives elsewhere, found by a key. What does not is forgotten when there are twice as many entries as
  /// lived then: so it costs a little of each addition, not all of one.
  template <typename Value>
  class Known {
   public:
    std::weak_ptr<const Value>& operator[](std::string key) {
      constexpr std::size_t few = 64;
      if (entries_.size() >= 2 * lived_ + few) {
        std::erase_if(entries_, [](const auto& entry) { return entry.second.expired(); });
        lived_ = entries_.size();
      }
      return entries_[std::move(key)];
    }

   private:
    std::unordered_map<std::string, std::weak_ptr<const Value>> entries_;
    std::size_t lived_ = 0;
  };

  Known<Policy> policies_;                                            // by the bytes of the record
  Known<SharedData> shared_;                                          // by the keys that JavaScript gave
  std::map<std::uint64_t, std::shared_ptr<const SharedData>> named_;  // since the last read(), by number
  std::uint64_t nextNumber_ = 0;
};

}  // namespace etherloom
