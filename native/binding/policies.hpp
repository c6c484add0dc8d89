// The policies that an environment's engine was given, built from the records that JavaScript sends and known
// again by them, and the data that policies refer to. JavaScript thread only.
#pragma once

#include <cstddef>
#include <cstdint>
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

/// What is too large to be a part of each policy that refers to it. The kinds of lib/policy/shared-data.ts,
/// in the same order. Kept for the life of the engine, so that a path may point at it whatever becomes of its
/// policy.
using SharedData = std::variant<std::unique_ptr<const DelayTable>, std::unique_ptr<const Trace>,
                                std::unique_ptr<const Fates>>;

class Policies {
 public:
  /// Keeps data of a kind, by its place in SharedData, and returns its number.
  std::uint64_t share(std::size_t kind, std::span<const std::uint8_t> bytes);

  /// Reads records as lib/policy/records.ts lays them out. A policy is built once for all paths that are
  /// given the same record, for as long as one of them has it.
  [[nodiscard]] Result<std::vector<GivenPolicy>> read(std::span<const std::uint8_t> records);

 private:
  void forgetExpired();

  std::vector<SharedData> shared_;
  std::unordered_map<std::string, std::weak_ptr<const Policy>> known_;  // by the bytes of the record
  std::size_t kept_ = 0;                                                // by the last forgetExpired()
};

}  // namespace etherloom
