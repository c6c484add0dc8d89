// Tells when interfaces of one network namespace appear, change and vanish. Opened at set-up on any thread,
// then watched and drained by one thread.
#pragma once

#include <cstdint>
#include <functional>

#include "os/error.hpp"
#include "os/fd.hpp"
#include "os/interface.hpp"
#include "os/namespace.hpp"

namespace etherloom {

struct LinkEvent {
  enum class Kind : std::uint8_t {
    Appeared,  ///< made here, or moved in
    Changed,   ///< also after a change of name, under the same index
    Vanished,  ///< deleted, or moved away; index and name tell which
    Overrun,   ///< events were lost and `link` is empty: read the state anew
  };
  Kind kind = Kind::Overrun;
  Link link;
  bool moved = false;  ///< Vanished: it lives on in another namespace
};

class LinkMonitor {
 public:
  /// A null pointer means the calling thread's namespace.
  static Result<LinkMonitor> open(const NetworkNamespace* networkNamespace);

  /// Readable while events wait.
  [[nodiscard]] int fd() const { return fd_.get(); }

  /// Reports every event that waits, in order; never blocks.
  void drain(const std::function<void(const LinkEvent&)>& report);

 private:
  explicit LinkMonitor(Fd fd) : fd_(std::move(fd)) {}

  Fd fd_;
};

}  // namespace etherloom
