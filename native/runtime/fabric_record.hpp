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

/// How many pairs of ports a change let frames pass between, how many it shut, and how many it changed
/// otherwise.
struct PairsChanged {
  std::uint32_t up = 0, down = 0, changed = 0;
};

class FabricRecord {
 public:
  FabricRecord(std::uint32_t id, std::string name, std::uint16_t home, std::unique_ptr<Fabric> fabric,
               bool forwarding);

  EngineFabric shared;  ///< what workers have of it
  /// What ports that are about to be attached shall have, by their names.
  std::map<std::string, PortSettings> expected;

  [[nodiscard]] const std::shared_ptr<const FabricVersion>& version() const { return version_; }
  /// Puts the next version in the place of the one that holds, and returns that.
  std::shared_ptr<const FabricVersion> publish(std::unique_ptr<const FabricVersion> next);

  /// A version with other ports, and what follows from that.
  struct Ports {
    std::unique_ptr<FabricVersion> next;
    /// Frames belong to other VLANs than before, so what the fabric has learned is wrong.
    bool otherVlans = false;
    /// The port that is now the only one, and the port that was the only one; nullptr where there is none.
    Attachment* alone = nullptr;
    Attachment* notAlone = nullptr;
  };
  /// Gives the port its seat, and its group and VLANs, too.
  [[nodiscard]] Ports join(Attachment& port, const PortSettings& settings);
  [[nodiscard]] Ports leave(const Attachment& port);
  /// Puts a port that is in it into other VLANs; nothing where it is in these.
  [[nodiscard]] std::optional<Ports> move(const Attachment& port,
                                          std::shared_ptr<const PortVlans> vlans) const;
  /// Lets another port have the seat of one that has left.
  void free(Seat seat) { freeSeats_.push_back(seat); }

  /// A change of a pair of this fabric.
  struct PairChange {
    Attachment* from;
    Attachment* to;
    const PathChange* asked;
  };
  /// Returns the path of a pair. `known` is its path in the version that holds, nullptr where it has none
  /// there.
  using PathOf = std::function<Path&(const PairChange& change, Path* known)>;
  /// A version with other policies, and what follows from that.
  struct Policies {
    std::unique_ptr<FabricVersion> next;
    std::vector<RowEntry> entries;  ///< those that are new
    PairsChanged pairs;
  };
  /// Works out these changes. If several are of one pair the last one holds. `number` is that of the latest
  /// change of a policy, and counts on.
  [[nodiscard]] Policies change(std::vector<PairChange> changes, std::uint64_t& number, Instant now,
                                const PathOf& pathOf) const;

 private:
  void survey(Ports& ports) const;

  std::shared_ptr<const FabricVersion> version_;
  std::vector<Seat> freeSeats_;
  std::map<std::string, std::uint32_t> groupNumbers_;  // of every group that there ever was; the first has 1
  std::vector<std::uint32_t> groupSizes_{0};  // how many ports each group has, by its number; 0 is not used
};

}  // namespace etherloom
