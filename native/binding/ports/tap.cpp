// TapPort, for JavaScript.
#include "ports/tap_port.hpp"

#include "binding/call.hpp"
#include "binding/device.hpp"
#include "binding/exports.hpp"
#include "os/tap.hpp"

namespace etherloom {
namespace {

/// What a TapPort does beside passing frames.
struct TapDuties {
  std::vector<sock_filter> filter;  ///< of what its kernel sends; empty for none
  bool writeback = false;
  bool completeChecksums = false;
};

TapDuties tapDuties(const Napi::Object& options) {
  return {socketFilter(options), flag(options, "writeback"), flag(options, "completeChecksums")};
}

Result<Tap> withFilter(Result<Tap> tap, const std::vector<sock_filter>& program) {
  if (!tap || program.empty()) return tap;
  if (auto attached = attachFilter(tap->queues.front(), program); !attached) return attached.error();
  return tap;
}

Napi::Value finishTap(Napi::Env env, Tap&& tap, const TapDuties& duties) {
  constexpr Offloads tcp = Offloads::Checksum | Offloads::Tso4 | Offloads::Tso6 | Offloads::Ecn;
  const Offloads offloads = tap.udpSegmentation ? Offloads::All : tap.segmentation ? tcp : Offloads::None;
  Device device;
  for (Fd& queue : tap.queues) {
    auto port =
        std::make_unique<TapPort>(std::move(queue), FramePool::largeCapacity, tap.virtioHeader, offloads);
    if (tap.link.mtu != 0) port->setMtu(tap.link.mtu);
    if (!duties.filter.empty()) port->ownFilter();
    if (duties.writeback) port->writeBack(tap.link.mac);
    if (duties.completeChecksums) port->completeChecksums();
    if (!device.port) {
      device.port = std::move(port);
    } else {
      device.further.push_back(std::move(port));
    }
  }
  Napi::Object delivered = deliver(env, std::move(device), tap.link);
  delivered.Set("created", tap.created);
  return delivered;
}

/// openTap({name, mtu?, mac?, addresses?, up, carrier, owner?, group?, persist, napi, queues, filter?,
/// writeback, namespace?}) → Promise<{device, index, ...}>
Napi::Value openTapDevice(Napi::Env env, Napi::Object asked) {
  std::optional<Error> wrong;
  TapOptions options;
  options.name = text(asked, "name");
  if (given(asked, "mtu")) options.mtu = number(asked, "mtu");
  options.mac = macAddress(asked);
  options.addresses = prefixes(asked, "addresses", wrong);
  options.up = flag(asked, "up");
  options.carrier = flag(asked, "carrier");
  if (given(asked, "owner")) options.owner = number(asked, "owner");
  if (given(asked, "group")) options.group = number(asked, "group");
  options.persist = flag(asked, "persist");
  options.virtioHeader = true;
  options.napi = flag(asked, "napi");
  options.queues = static_cast<int>(number(asked, "queues"));
  options.networkNamespace = networkNamespace(asked);
  const TapDuties duties = tapDuties(asked);
  return Task<Tap>::run(
      env, asked,
      [options, wrong, duties]() -> Result<Tap> {
        if (wrong) return *wrong;
        return withFilter(openTap(options), duties.filter);
      },
      [duties](Napi::Env own, Tap&& tap) { return finishTap(own, std::move(tap), duties); });
}

/// adoptTap(fd, {filter?, writeback}) → Promise<{device, index, ...}>; the descriptor is duplicated, the
/// caller keeps its own.
Napi::Value adoptTapDevice(Napi::Env env, int fd, Napi::Object asked) {
  const TapDuties duties = tapDuties(asked);
  return Task<Tap>::run(
      env, env.Undefined(),
      [fd, duties]() -> Result<Tap> {
        auto own = duplicate(fd);
        if (!own) return own.error();
        return withFilter(adoptTap(std::move(*own)), duties.filter);
      },
      [duties](Napi::Env own, Tap&& tap) { return finishTap(own, std::move(tap), duties); });
}

const Exports tapExports{{"openTap", call<openTapDevice>}, {"adoptTap", call<adoptTapDevice>}};

}  // namespace
}  // namespace etherloom
