// The policies that an environment's engine was given, built from the records that JavaScript sends and known
// again by them. JavaScript thread only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "os/error.hpp"
#include "pipeline/policy.hpp"

namespace etherloom {

/// A record: the policy, and what of it concerns the path alone.
struct GivenPolicy {
  std::shared_ptr<const Policy> policy;
  std::optional<std::uint64_t> seed;
};

class Policies {
 public:
  /// Reads records as lib/policy-records.ts lays them out. A policy is built once for all paths that are
  /// given the same record, for as long as one of them has it.
  [[nodiscard]] Result<std::vector<GivenPolicy>> read(std::span<const std::uint8_t> records);

 private:
  void forgetExpired();

  std::unordered_map<std::string, std::weak_ptr<const Policy>> known_;  // by the bytes of the record
  std::size_t kept_ = 0;                                                // by the last forgetExpired()
  std::uint64_t nextSerial_ = 1;
};

}  // namespace etherloom
