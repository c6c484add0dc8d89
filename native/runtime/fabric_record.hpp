// One fabric as the control thread has it: the version that holds, and how the next one is made of it.
// Control thread only.
//
// Theory of operation. A version is never changed. join(), leave() and change() each work out another from
// the one that holds, which share every row that the change does not touch; publish() has it hold, with one
// store. What becomes of ports, paths and the version before is the engine's business.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "pipeline/fabric_version.hpp"

namespace etherloom {

/// What the policy of one directed pair shall be from now on; no policy means the fabric's default.
struct PathChange {
  PortId from{};
  PortId to{};
  std::shared_ptr<const Policy> policy;
  std::optional<std::uint64_t> seed;  ///< the path's own, instead of the derived one
};

/// How many pairs frames can pass now and could not before, the reverse, and other changes.
struct PairsChanged {
  std::uint32_t up = 0, down = 0, changed = 0;
};

class FabricRecord {
 public:
  FabricRecord(std::uint32_t id, std::string name, std::uint16_t home, std::unique_ptr<Fabric> fabric,
               bool forwarding);

  EngineFabric shared;                           ///< what workers have of it
  std::map<std::string, PortSettings> expected;  ///< by the names of ports that are about to be attached

  [[nodiscard]] const std::shared_ptr<const FabricVersion>& version() const { return version_; }
  /// Has the next version hold, and returns the one before.
  std::shared_ptr<const FabricVersion> publish(std::unique_ptr<const FabricVersion> next);

  /// Another set of ports.
  struct Ports {
    std::unique_ptr<FabricVersion> next;
    /// Frames belong to other VLANs than before, so what the fabric has learned is wrong.
    bool otherVlans = false;
    /// A port that is the only one now, and one that is no more.
    Attachment* alone = nullptr;
    Attachment* notAlone = nullptr;
  };
  /// Gives the port its seat, and its group and VLANs, too.
  [[nodiscard]] Ports join(Attachment& port, const PortSettings& settings);
  [[nodiscard]] Ports leave(const Attachment& port);
  /// The seat of a port that has left can be another's.
  void free(Seat seat) { freeSeats_.push_back(seat); }

  /// A change of a pair of this fabric.
  struct PairChange {
    Attachment* from;
    Attachment* to;
    const PathChange* asked;
  };
  /// Gives the pair its path, which `known` is, if the pair has one in the version that holds.
  using PathOf = std::function<Path&(const PairChange& change, Path* known)>;
  /// Other policies.
  struct Policies {
    std::unique_ptr<FabricVersion> next;
    std::vector<RowEntry> entries;  ///< those that are new
    PairsChanged pairs;
  };
  /// Of several changes of one pair the last one holds. `number` counts the changes of policies.
  [[nodiscard]] Policies change(std::vector<PairChange> changes, std::uint64_t& number, Instant now,
                                const PathOf& pathOf) const;

 private:
  void survey(Ports& ports) const;

  std::shared_ptr<const FabricVersion> version_;
  std::vector<Seat> freeSeats_;
  std::map<std::string, std::uint32_t> groupNumbers_;  // of all groups there ever were; from 1 on
  std::vector<std::uint32_t> groupSizes_{0};           // their ports, by number; 0 is not used
  std::uint32_t portsWithVlans_ = 0;                   // that were told theirs
};

}  // namespace etherloom
