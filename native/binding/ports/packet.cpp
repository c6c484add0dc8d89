// PacketPort, for JavaScript.
#include "ports/packet_port.hpp"

#include "binding/call.hpp"
#include "binding/device.hpp"
#include "binding/exports.hpp"
#include "os/packet_socket.hpp"

namespace etherloom {
namespace {

/// openPacket({interface, direction, promiscuous, filter?, method?, namespace?}) → Promise<{device, index,
/// ..., method}>
Napi::Value openPacketDevice(Napi::Env env, Napi::Object asked) {
  PacketSocketOptions options;
  options.interface = text(asked, "interface");
  const std::string direction = text(asked, "direction");
  options.direction = direction == "in"    ? PacketDirection::In
                      : direction == "out" ? PacketDirection::Out
                                           : PacketDirection::Both;
  options.promiscuous = flag(asked, "promiscuous");
  options.filter = socketFilter(asked);
  options.virtioHeader = true;
  options.method.reset();
  if (given(asked, "method"))
    options.method = text(asked, "method") == "ring" ? PacketMethod::Ring : PacketMethod::Calls;
  options.networkNamespace = networkNamespace(asked);
  return Task<PacketSocket>::run(
      env, asked, [options] { return openPacketSocket(options); },
      [direction = options.direction, complete = flag(asked, "completeChecksums")](Napi::Env own,
                                                                                   PacketSocket&& socket) {
        const Link link = socket.link;
        auto port = std::make_unique<PacketPort>(std::move(socket), direction, FramePool::largeCapacity);
        port->setMtu(link.mtu);
        if (complete) port->completeChecksums();
        const char* method = port->method() == PacketMethod::Ring ? "ring" : "calls";
        Napi::Object delivered = deliver(own, Device{std::move(port)}, link);
        delivered.Set("method", method);
        return delivered;
      });
}

const Exports packetExports{{"openPacket", call<openPacketDevice>}};

}  // namespace
}  // namespace etherloom
