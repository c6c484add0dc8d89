// The contract of a queue discipline: what decides, besides the limit, which frames a line's queue drops.
// Called by the line, on the worker of the path's to-port.
//
// A discipline is settings only: immutable, shared by any number of lines and threads. What it remembers lies
// in the line, in a DisciplineMemory. It never allocates or reads a clock. A new one is a file beside this
// one.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <span>
#include <string_view>
#include <type_traits>

#include "impairments/random.hpp"
#include "lines/held.hpp"
#include "os/class_mark.hpp"
#include "os/clock.hpp"
#include "os/registered.hpp"

namespace etherloom {

/// What a discipline says of a frame.
enum class QueueVerdict : std::uint8_t { Pass, Mark, Drop };

/// Room for what one line remembers for its discipline.
class DisciplineMemory {
 public:
  template <typename State>
  void start() noexcept {
    static_assert(sizeof(State) <= sizeof bytes_ && std::is_trivially_destructible_v<State>);
    new (bytes_.data()) State;
  }
  /// What start() began.
  template <typename State>
  [[nodiscard]] State& as() noexcept {
    // SAFETY: the discipline that a line has is the one that started its memory, or of the same class.
    return *std::launder(reinterpret_cast<State*>(bytes_.data()));
  }

 private:
  alignas(std::max_align_t) std::array<std::byte, 64> bytes_{};
};

class Discipline {
 public:
  /// What a frame finds that comes to the line: its queue.
  struct Queue {
    std::uint64_t backlog = 0;   ///< bytes that wait
    bool idle = false;           ///< nothing is in service
    std::uint64_t idleBits = 0;  ///< what the line could have sent since it ran out
  };

  virtual ~Discipline() = default;

  /// markOf() its class.
  [[nodiscard]] virtual ClassMark mark() const noexcept = 0;
  /// It begins, with nothing remembered.
  virtual void start(DisciplineMemory& memory) const noexcept = 0;
  /// A frame comes.
  [[nodiscard]] virtual QueueVerdict onQueue(DisciplineMemory& /*memory*/, const Frame& /*frame*/,
                                             const Queue& /*queue*/, Random& /*random*/) const noexcept {
    return QueueVerdict::Pass;
  }
  /// A frame was taken from the queue at `now`, and `backlog` bytes still wait. The line begins its service,
  /// or drops it and takes the next.
  [[nodiscard]] virtual QueueVerdict onService(DisciplineMemory& /*memory*/, const Held& /*held*/,
                                               std::uint64_t /*backlog*/, Instant /*now*/) const noexcept {
    return QueueVerdict::Pass;
  }
  /// The line wanted a frame and there was none.
  virtual void ranEmpty(DisciplineMemory& /*memory*/) const noexcept {}
};

/// A kind of discipline, which its file declares as a constant of static storage: that registers it, and
/// nothing else knows it.
struct DisciplineKind : Registered<DisciplineKind> {
  /// From the words of lib/policy/lines/discipline.ts: integers, and the bits of doubles.
  using Make = std::shared_ptr<const Discipline> (*)(std::span<const std::uint64_t> words);

  DisciplineKind(std::string_view itsName, Make itsMake) : name(itsName), make(itsMake) {}

  const std::string_view name;  ///< which crosses from lib/
  const Make make;
};

}  // namespace etherloom
