// Who is joined to whom: the immutable picture of a fabric that workers share.
//
// The control thread builds a FabricVersion and publishes it with one store; a burst loads it once, and all
// copies of its frames are judged by it. A version is destroyed after a grace period: when every worker has
// passed two turns since it was replaced. Rows that a change does not touch are shared with the version
// before.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "fabrics/fabric.hpp"
#include "fabrics/port_vlans.hpp"
#include "pipeline/attachment.hpp"
#include "pipeline/path.hpp"
#include "pipeline/policy.hpp"

namespace etherloom {

struct FabricVersion;

/// A fabric of an engine. Lives from its creation until a grace period after its removal.
struct EngineFabric {
  std::uint32_t id = 0;
  std::string name;
  std::uint16_t home = 0;  ///< the worker that applies what the fabric learns
  std::unique_ptr<Fabric> fabric;
  std::atomic<const FabricVersion*> version{nullptr};
};

/// The explicit pairs of one from-port, in the order of their to-seats.
struct Row {
  std::vector<RowEntry> entries;
  std::vector<std::shared_ptr<const Policy>> policies;  ///< the policies of `entries`, kept alive

  void reserve(std::size_t pairs) {
    entries.reserve(pairs);
    policies.reserve(pairs);
  }
  void push(const RowEntry& entry, std::shared_ptr<const Policy> policy) {
    entries.push_back(entry);
    policies.push_back(std::move(policy));
  }
};

/// For each group by its number, the ports that are not in it, in the order of their seats: what a port of
/// the group floods to. Empty for a group that no port is in any more.
using GroupReach = std::vector<std::vector<Attachment*>>;

struct FabricVersion {
  const Fabric* fabric = nullptr;
  bool forwarding = true;                        ///< for pairs without a policy, but not within a group
  std::vector<Attachment*> ports;                ///< by seat; nullptr where no port sits
  std::vector<std::shared_ptr<const Row>> rows;  ///< by seat; nullptr where no pair is explicit
  std::shared_ptr<const GroupReach> reach;       ///< nullptr where no port is in a group
  /// By seat, nullptr where a port was not told; empty where no port was.
  std::vector<std::shared_ptr<const PortVlans>> vlans;

  /// Whether the port is in this version. One that has left is not, though its seat may have another port.
  [[nodiscard]] bool has(const Attachment& port) const {
    const auto seat = static_cast<std::size_t>(port.seat);
    return seat < ports.size() && ports[seat] == &port;
  }
  /// Whether some port was told its VLANs, so that all have some.
  [[nodiscard]] bool hasVlans() const { return !vlans.empty(); }
  /// Those of a port that is in it, where it has any.
  [[nodiscard]] const PortVlans& vlansOf(const Attachment& port) const {
    const auto& told = vlans[static_cast<std::size_t>(port.seat)];
    return told ? *told : PortVlans::usual();
  }
  /// The explicit pairs of a port that is in it.
  [[nodiscard]] const Row& rowOf(const Attachment& from) const {
    static const Row none;
    const auto& row = rows[static_cast<std::size_t>(from.seat)];
    return row ? *row : none;
  }
  /// What holds for a pair without a policy.
  [[nodiscard]] bool forwards(const Attachment& from, const Attachment& to) const {
    return forwarding && (from.group == 0 || from.group != to.group);
  }
  /// Where a flood from this port goes, before any policy is asked. The caller skips the port itself and
  /// nullptrs, which may be among them.
  [[nodiscard]] const std::vector<Attachment*>& reachOf(const Attachment& from) const {
    return from.group == 0 || !reach ? ports : (*reach)[from.group];
  }
  /// The most ports that one frame from this port can go to, at least 1.
  [[nodiscard]] std::size_t mostReceivers(const Attachment& from) const {
    const std::size_t reached = forwarding ? reachOf(from).size() : 0;
    return std::max<std::size_t>(std::min(ports.size() - 1, reached + rowOf(from).entries.size()), 1);
  }
};

}  // namespace etherloom
