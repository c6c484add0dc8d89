// The captures of an engine: which there are, and what hangs where for them. Control thread only.
//
// Workers find who listens at a port or path in a list of Listeners that hangs there. A list is immutable:
// a capture that begins or ends replaces those of its targets, and the old ones go after a grace period.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "capture/capture.hpp"
#include "runtime/capture_writer.hpp"
#include "runtime/grace.hpp"

namespace etherloom {

/// What is recorded: a port, or a path when `to` is given.
struct CaptureTarget {
  PortId from{};
  std::optional<PortId> to;
  Listener::Kind kind{};
  pcapng::Interface interface;
};

enum class CaptureId : std::uint32_t {};

class Captures {
 public:
  /// Where a port or path keeps its list of listeners; nullptr where there is no such port or path any more.
  using Place = std::atomic<const Listeners*>;
  using FindPlace = std::function<Place*(PortId from, std::optional<PortId> to)>;

  Captures(const Clock& clock, GracePeriods& graces, FindPlace find, std::function<void()> wake)
      : clock_(clock), graces_(graces), find_(std::move(find)), wake_(std::move(wake)) {}

  /// Begins to record, with a ring for each of so many workers. A path must have, or have had, a policy.
  [[nodiscard]] Result<CaptureId> start(CaptureSettings settings, Output output,
                                        const std::vector<CaptureTarget>& targets, std::size_t workers);
  /// Stops recording; the capture has ended some time after the ticket is settled, and then wakes.
  Ticket end(CaptureId id);
  /// Whether there is such a capture: true from start() to forget().
  [[nodiscard]] bool knows(CaptureId id) const { return captures_.contains(id); }
  [[nodiscard]] const Capture& at(CaptureId id) const { return *captures_.at(id); }
  /// Forgets a capture whose end() is settled. For any other it does nothing.
  void forget(CaptureId id);
  /// Forgets the listeners of a port that is gone, and those of its paths.
  void forgetPort(PortId port);

  /// Writes what was recorded. Only for a virtual clock: in real time a thread of its own does this.
  void pump();
  /// No worker records any more: ends them all.
  void close();

 private:
  /// A capture's entry on one port or path.
  struct Entry {
    CaptureId capture;
    PortId from;
    std::optional<PortId> to;
    Listener listener;
  };
  using OldListeners = std::vector<std::shared_ptr<const Listeners>>;

  /// Gives this port or path the list of listeners that entries_ have for it. The list from before goes into
  /// `old`, whose caller keeps it until no worker can read it.
  void hang(PortId from, std::optional<PortId> to, OldListeners& old);

  const Clock& clock_;
  GracePeriods& graces_;
  const FindPlace find_;
  const std::function<void()> wake_;
  std::map<CaptureId, std::shared_ptr<Capture>> captures_;
  std::vector<Entry> entries_;
  std::map<std::pair<PortId, std::optional<PortId>>, std::shared_ptr<const Listeners>> hanging_;
  std::unique_ptr<CaptureWriter> writer_;
  const Duration timeOfDayOrigin_ = timeOfDayOrigin();
  std::uint32_t next_ = 0;
};

}  // namespace etherloom
