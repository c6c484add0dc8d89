// Who is joined to whom: the immutable picture that workers share, and the seats that ports take in it.
//
// The control thread builds a FabricVersion and publishes it with one store; a burst loads it once, and all
// copies of its frames are judged by it. A version is destroyed after a grace period: when every worker has
// passed two turns since it was replaced. Rows that a change does not touch are shared with the version
// before.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "fabrics/fabric.hpp"
#include "pipeline/path.hpp"
#include "pipeline/policy.hpp"
#include "ports/port.hpp"

namespace etherloom {

struct FabricVersion;

/// A fabric of an engine. Lives from its creation until a grace period after its removal.
struct FabricSeat {
  std::uint32_t id = 0;
  std::string name;
  std::uint16_t home = 0;  ///< the worker that applies what the fabric learns
  std::unique_ptr<Fabric> fabric;
  std::atomic<const FabricVersion*> version{nullptr};
};

/// A port's seat in a fabric. The first part never changes; the second belongs to the port's worker.
struct Attachment {
  PortId id{};
  PortKey key;
  Slot slot{};
  std::uint16_t worker = 0;
  FabricSeat* fabric = nullptr;
  std::string name;
  std::unique_ptr<Port> port;
  PortCounters counters;
  std::vector<PathAccount> defaults;  ///< for pairs without a policy, one for each to-worker
  /// Who records its frames; nullptr for nobody. Replaced by the control thread.
  std::atomic<const Taps*> taps{nullptr};

  bool up = false;
  bool readyListed = false;
  bool stageListed = false;
  std::uint8_t staged = 0;
  std::uint32_t received = 0;  ///< frames so far: the number in a frame's key
  Attachment* nextReady = nullptr;
  Attachment* nextStaged = nullptr;
  std::array<TxItem, burstSize> stage;
};

/// One explicit pair: what its from-port may do towards one other port.
struct RowEntry {
  Attachment* to;
  Path* path;
  const Policy* policy;
};

/// The explicit pairs of one from-port, in the order of their to-slots.
struct Row {
  std::vector<RowEntry> entries;
  std::vector<std::shared_ptr<const Policy>> policies;  ///< keeps those of the entries

  void reserve(std::size_t pairs) {
    entries.reserve(pairs);
    policies.reserve(pairs);
  }
  void push(const RowEntry& entry, std::shared_ptr<const Policy> policy) {
    entries.push_back(entry);
    policies.push_back(std::move(policy));
  }
};

struct FabricVersion {
  const Fabric* fabric = nullptr;
  bool forwarding = true;                        ///< for pairs without a policy
  std::vector<Attachment*> members;              ///< by slot; nullptr where no port sits
  std::vector<std::shared_ptr<const Row>> rows;  ///< by slot; nullptr where no pair is explicit
};

}  // namespace etherloom
