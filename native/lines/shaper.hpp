// The contract of what holds the frames of a path back: takes them, knows when the next leaves, gives them
// up. There are two, one for each mode: ExactShaper (exact_shaper.hpp) and Netem (netem.hpp). Called by the
// path, on the worker of its to-port; created on the control thread.
#pragma once

#include <cstdint>
#include <optional>

#include "frame/drop.hpp"
#include "lines/held.hpp"
#include "os/clock.hpp"

namespace etherloom {

/// Where and why a frame ends on its path.
struct Ending {
  DropReason reason;
  const char* stage;  ///< a literal
};

/// What a shaper hands back at an instant: a frame that leaves the path or ends here. Without a frame,
/// something has only moved inside the shaper.
struct Outcome {
  Held* held = nullptr;
  std::optional<Ending> ending;
};

class Shaper {
 public:
  virtual ~Shaper() = default;

  /// Takes a frame at this instant, or says why the caller has to drop it. The caller has carried out what
  /// was due by then.
  [[nodiscard]] virtual std::optional<Ending> offer(Held* held, Instant at) noexcept = 0;
  /// When take() is to be called next; `never` if nothing here will move by itself.
  [[nodiscard]] virtual Instant due() const noexcept = 0;
  /// The frame that take() will be about; nullptr if there is none.
  [[nodiscard]] virtual const Held* head() const noexcept = 0;
  /// Carries out the one event that is due next, which there must be.
  [[nodiscard]] virtual Outcome take() noexcept = 0;
  /// Hands back some frame at once, whenever it would have left, for a flush; nothing when the shaper is
  /// empty.
  [[nodiscard]] virtual Outcome flush() noexcept = 0;

  /// How many frames it holds; a super-frame is one.
  [[nodiscard]] virtual std::size_t size() const noexcept = 0;
  /// How many wire frames it holds whose service has not begun ...
  [[nodiscard]] virtual std::uint64_t waiting() const noexcept = 0;
  /// ... and how many others.
  [[nodiscard]] virtual std::uint64_t travelling() const noexcept = 0;
};

}  // namespace etherloom
