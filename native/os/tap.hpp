// TAP devices: making one, joining an existing one, taking over a descriptor (tun(4),
// Documentation/networking/tuntap of Linux). Called at set-up, on any thread; the descriptors then belong to
// a port.
#pragma once

#include <linux/filter.h>
#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "os/error.hpp"
#include "os/fd.hpp"
#include "os/interface.hpp"
#include "os/namespace.hpp"

namespace etherloom {

struct TapOptions {
  std::string name;                  ///< empty, or with one "%d": the kernel completes it
  std::optional<std::uint32_t> mtu;  ///< bytes; what is not given stays as it is
  std::optional<MacAddress> mac;
  /// Added to those it has. A device made without any answers no ARP requests for those of other interfaces.
  std::vector<AddressPrefix> addresses;
  bool up = true;
  bool carrier = true;         ///< false: it is set up without one
  std::optional<uid_t> owner;  ///< may attach without CAP_NET_ADMIN
  std::optional<gid_t> group;  ///< likewise
  bool persist = false;        ///< outlives its descriptors; false leaves an existing device as it is
  bool virtioHeader = false;   ///< a 12-byte virtio-net header before each frame, and the offloads it is for
  bool napi = false;  ///< what is written passes the kernel's NAPI and GRO (IFF_NAPI): more TCP, fewer frames
  int queues = 1;     ///< descriptors, 1 to 256; more than one makes the device multi-queue
  const NetworkNamespace* networkNamespace = nullptr;  ///< null: the calling thread's
};

struct Tap {
  std::vector<Fd> queues;  ///< non-blocking, no packet information before the frame
  Link link;               ///< as it is after everything was set
  bool created = false;    ///< false: it was there before
  bool virtioHeader = false;
  bool segmentation = false;     ///< super-frames of TCP and undone checksums pass, both ways
  bool udpSegmentation = false;  ///< super-frames of UDP too (Linux 6.2)
  bool steered = false;  ///< several queues: each flow comes out of one, whichever its answers are written to
};

/// Creates the TAP of that name, or joins it if it exists and nobody holds it; neither offloads nor a filter
/// of an earlier holder apply. With the virtio-net header its offloads are on, without it off. After a
/// failure nothing is left of a device that was created here. Needs CAP_NET_ADMIN, except to join a
/// persistent TAP of the same user that is set up already.
Result<Tap> openTap(const TapOptions& options);

/// Takes over the descriptor of a TAP (and closes it on failure): makes it non-blocking, turns its offloads
/// on if it has a virtio-net header, else off, and reads what it is. Needs no capability; where the device is
/// in another namespace, the link has index 0, and where we may not look into that, only name and MAC address
/// beside it.
Result<Tap> adoptTap(Fd fd);

/// What the interface's own kernel sees as the state of the cable. Linux 5.0 or later.
Result<void> setCarrier(const Fd& tap, bool on);

/// Lets only what the program accepts reach the descriptors; an empty one lets everything through again.
Result<void> attachFilter(const Fd& tap, std::span<const sock_filter> program);

/// Whether the device outlives its descriptors; set to false, it goes with the last of them.
Result<void> setPersistent(const Fd& tap, bool persistent);

}  // namespace etherloom
