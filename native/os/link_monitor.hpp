// Tells when interfaces of one network namespace appear, change and vanish. Opened at set-up on any thread,
// then watched and drained by one thread.
//
// A TAP works on where somebody moves it, so one that leaves is followed there: the kernel sends the news of
// namespaces that have a number in this one (NETLINK_LISTEN_ALL_NSID of netlink(7)), and gives each such a
// number that gets an interface of this one. That keeps no namespace alive, as a socket in it would. It needs
// CAP_NET_BROADCAST and CAP_NET_ADMIN in the other namespace; without them nothing is heard from there.
#pragma once

#include <cstdint>
#include <functional>
#include <set>
#include <utility>

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
  static constexpr std::int32_t here = -1;

  Kind kind = Kind::Overrun;
  Link link;
  std::int32_t nsid = here;  ///< where: the number of another namespace in the watched one
  bool moved = false;        ///< Vanished: it lives on in another namespace, as the next two say
  std::int32_t newNsid = here;
  int newIndex = 0;
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
  using Report = std::function<void(const LinkEvent&)>;

  explicit LinkMonitor(Fd fd) : fd_(std::move(fd)) {}

  void hear(const LinkEvent& event, const Report& report);
  void follow(std::int32_t nsid, int index);
  void look(std::int32_t nsid, int index) const;

  Fd fd_;
  std::set<std::pair<std::int32_t, int>> followed_;  // TAPs that have left, by namespace and index there
};

}  // namespace etherloom
