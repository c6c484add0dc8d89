// Where frames come from that no descriptor of their port announces: memory that others write, or one
// descriptor that several ports share. Its worker asks it in every turn.
//
// A source belongs to one worker, and its ports to the same. From open() to close() every method runs there.
// It moves what has come into the inboxes of its ports, which announce themselves. Rules:
//  1. poll() takes a bounded amount. It never waits, allocates, locks, logs or reads a clock.
//  2. Whoever makes something come while the worker may sleep has to nudge the worker, or a descriptor that
//  the source watches does.
#pragma once

#include "io/io.hpp"

namespace etherloom {

class Source {
 public:
  virtual ~Source() = default;

  /// A source with a descriptor has it watched under this key.
  [[nodiscard]] virtual Result<void> open(Io&, PortKey) { return {}; }
  /// The descriptor has something, or has failed.
  virtual void ready() noexcept {}
  virtual void poll() noexcept = 0;
  /// Before the worker sleeps: false when there is something to poll() already.
  [[nodiscard]] virtual bool arm() noexcept = 0;
  /// When there will be something by itself.
  [[nodiscard]] virtual Instant due() const noexcept { return Instant::never(); }
  /// It is removed, or the worker ends.
  virtual void close(Io&) noexcept {}
};

}  // namespace etherloom
