// What an engine has of each port in its fabric: the attachment, and the inlets by which frames come in. Made
// by the control thread; each part says who uses it.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "fabrics/fabric.hpp"
#include "fabrics/port_vlans.hpp"
#include "filters/receive_filter.hpp"
#include "pipeline/path.hpp"
#include "pipeline/port_delay.hpp"
#include "pipeline/storm_guard.hpp"
#include "ports/port.hpp"

namespace etherloom {

struct EngineFabric;

/// What a port has in its fabric, whatever its kind.
struct PortSettings {
  Duration delay;                                ///< of every frame into the port, behind its path
  std::shared_ptr<const ReceiveFilter> receive;  ///< which frames the port takes; nullptr: all
  StormLimits storm;                             ///< how much of what it sends is flooded
  std::string group;                             ///< empty for none; for as long as it is attached
  std::shared_ptr<const PortVlans> vlans;        ///< nullptr for none, or to keep those that it has
};

/// Where frames of a port come in: an open device on one worker. A port has one, which is its Attachment
/// itself; a multi-queue TAP has further ones, each on another worker and with a descriptor of its own. What
/// is received on any of them comes from the Attachment's port. The first part, and the counters, belong to
/// the inlet's worker; the second part never changes.
struct Inlet : Chain<Inlet>::Link {
  Inlet(Attachment& itsAttachment, unsigned itsIndex) : attachment(itsAttachment), index(itsIndex) {}

  bool up = false;
  bool joined = false;         ///< whether a version of its fabric that has the port was ever seen
  bool carrier = true;         ///< false: a pulled cable; nothing passes, whatever the device would do
  std::uint32_t received = 0;  ///< frames so far, which number them in their keys
  bool ended = false;          ///< its device has failed; the port goes down once `postponed` is empty
  Chain<Frame> postponed;     ///< received, but more than one turn may bring; the next turns take these first
  std::uint32_t crossed = 0;  ///< a bit for each worker that its latest bursts sent copies to
  std::uint32_t crossedBefore = 0;  ///< the same for the round of bursts before; see Worker::burstsRemembered
  std::uint32_t bursts = 0;         ///< how many bursts are in `crossed` so far
  std::uint32_t mostFrames = burstSize;  ///< that it may bring at a time; fewer if each has many copies

  alignas(64) Attachment& attachment;
  const unsigned index;  ///< 0 for the Attachment
  std::uint16_t worker = 0;
  PortKey key;  ///< the same for all inlets of a port; the generation is that of the device
  std::unique_ptr<Port> port;
  PortCounters counters;
};

/// What an engine has of a port in its fabric, and the port's first inlet, which alone transmits. It has
/// three parts, each on cache lines of its own: what the workers of all its inlets read; what only its own
/// worker uses; what only the control thread uses.
struct Attachment final : Inlet, Chain<Attachment>::Link {
  Attachment() : Inlet(*this, 0) {}

  alignas(64) PortId id{};
  Seat seat{};
  EngineFabric* fabric = nullptr;
  PathHost* host = nullptr;  ///< its worker
  std::string name;
  std::uint32_t group = 0;            ///< ports of one group do not hear each other; 0 is in none
  std::vector<PathAccount> defaults;  ///< of pairs without a policy, one for each worker of to-ports
  /// Who records its frames; nullptr for nobody. Replaced by the control thread.
  std::atomic<const Listeners*> listeners{nullptr};
  /// What limits how much of its frames is flooded; nullptr for nothing. Replaced by the control thread.
  std::atomic<StormGuard*> guard{nullptr};

  alignas(64) std::uint8_t staged = 0;
  std::shared_ptr<const ReceiveFilter> receive;  ///< nullptr: takes every frame
  PortDelay delay{*this};
  bool alone = false;  ///< the only port of its fabric
  std::array<TxItem, burstSize> stage;

  std::vector<std::unique_ptr<Inlet>> further;
  bool leaving = false;          ///< from detach() on: nobody may name it any more
  std::uint32_t generation = 0;  ///< of the device that is at work; 0 when it has failed
  bool delays = false;           ///< has a delay, or once had one: then frames may still wait in `delay`
  std::unique_ptr<StormGuard> ownGuard;  ///< made with the first limits, and kept

  template <typename Each>
  void eachInlet(Each&& each) {
    each(static_cast<Inlet&>(*this));
    for (const auto& inlet : further) each(*inlet);
  }
};

}  // namespace etherloom
