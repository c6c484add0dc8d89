#include "binding/devices.hpp"

#include <algorithm>
#include <cstdio>
#include <memory>

#include "binding/convert.hpp"
#include "filters/expression.hpp"
#include "os/packet_socket.hpp"
#include "os/rtnetlink.hpp"
#include "os/socket_pair.hpp"
#include "os/tap.hpp"
#include "ports/datagram_port.hpp"
#include "ports/generator_port.hpp"
#include "ports/packet_port.hpp"
#include "ports/sink_port.hpp"
#include "ports/stream_port.hpp"
#include "ports/tap_port.hpp"

namespace etherloom {
namespace {

std::vector<AddressPrefix> prefixes(const Napi::Object& options, const char* key,
                                    std::optional<Error>& error) {
  std::vector<AddressPrefix> parsed;
  if (!given(options, key)) return parsed;
  const auto texts = options.Get(key).As<Napi::Array>();
  for (std::uint32_t index = 0; index < texts.Length(); ++index) {
    auto prefix = AddressPrefix::parse(texts.Get(index).As<Napi::String>().Utf8Value());
    if (!prefix) {
      error = prefix.error();
      return {};
    }
    parsed.push_back(*prefix);
  }
  return parsed;
}

std::optional<MacAddress> macAddress(const Napi::Object& options, const char* key = "mac") {
  if (!given(options, key)) return {};
  const auto bytes = options.Get(key).As<Napi::Uint8Array>();
  MacAddress mac;
  std::copy_n(bytes.Data(), mac.size(), mac.begin());
  return mac;
}

std::string formatMac(const MacAddress& mac) {
  char text[18];
  std::snprintf(text, sizeof text, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4],
                mac[5]);
  return text;
}

Napi::Object describe(Napi::Env env, const Link& link) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("index", link.index);
  object.Set("name", link.name);
  object.Set("mac", formatMac(link.mac));
  object.Set("mtu", link.mtu);
  object.Set("up", link.up);
  return object;
}

Napi::Value deliver(Napi::Env env, Device device) {
  return Napi::External<Device>::New(env, new Device(std::move(device)),
                                     [](Napi::Env, Device* each) { delete each; });
}
Napi::Value deliver(Napi::Env env, std::unique_ptr<Port> port) {
  return deliver(env, Device{std::move(port), {}});
}

/// The protocols of which the port carries super-frames.
Napi::Array superFrames(Napi::Env env, Offloads offloads) {
  Napi::Array protocols = Napi::Array::New(env);
  if (includes(offloads, Offloads::Tso4)) protocols.Set(protocols.Length(), "tcp");
  if (includes(offloads, Offloads::Uso)) protocols.Set(protocols.Length(), "udp");
  return protocols;
}

Napi::Object deliver(Napi::Env env, Device device, const Link& link) {
  Napi::Object object = describe(env, link);
  object.Set("superFrames", superFrames(env, device.port->offloads()));
  object.Set("device", deliver(env, std::move(device)));
  return object;
}

/// What a TapPort does beside passing frames.
struct TapDuties {
  std::vector<sock_filter> filter;  ///< of what its kernel sends; empty for none
  bool writeback = false;
  bool completeChecksums = false;
};

std::vector<sock_filter> socketFilter(const Napi::Object& options) {
  std::vector<sock_filter> program;
  for (const FilterInstruction& each : instructions(options.Get("filter")))
    program.push_back({each.code, each.jt, each.jf, each.k});
  return program;
}

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

/// openTap({name, mtu?, mac?, addresses?, up, owner?, group?, persist, napi, queues, filter?, writeback,
/// namespace?}) → Promise<{device, index, ...}>
Napi::Value openTapDevice(const Napi::CallbackInfo& info) {
  const auto asked = info[0].As<Napi::Object>();
  std::optional<Error> wrong;
  TapOptions options;
  options.name = text(asked, "name");
  if (given(asked, "mtu")) options.mtu = number(asked, "mtu");
  options.mac = macAddress(asked);
  options.addresses = prefixes(asked, "addresses", wrong);
  options.up = flag(asked, "up");
  if (given(asked, "owner")) options.owner = number(asked, "owner");
  if (given(asked, "group")) options.group = number(asked, "group");
  options.persist = flag(asked, "persist");
  options.virtioHeader = true;
  options.napi = flag(asked, "napi");
  options.queues = static_cast<int>(number(asked, "queues"));
  options.networkNamespace = networkNamespace(asked);
  const TapDuties duties = tapDuties(asked);
  return Task<Tap>::run(
      info.Env(), info[0],
      [options, wrong, duties]() -> Result<Tap> {
        if (wrong) return *wrong;
        return withFilter(openTap(options), duties.filter);
      },
      [duties](Napi::Env env, Tap&& tap) { return finishTap(env, std::move(tap), duties); });
}

/// adoptTap(fd, {filter?, writeback}) → Promise<{device, index, ...}>; the descriptor is duplicated, the
/// caller keeps its own.
Napi::Value adoptTapDevice(const Napi::CallbackInfo& info) {
  const TapDuties duties = tapDuties(info[1].As<Napi::Object>());
  return Task<Tap>::run(
      info.Env(), info.Env().Undefined(),
      [number = info[0].As<Napi::Number>().Int32Value(), duties]() -> Result<Tap> {
        auto own = duplicate(number);
        if (!own) return own.error();
        return withFilter(adoptTap(std::move(*own)), duties.filter);
      },
      [duties](Napi::Env env, Tap&& tap) { return finishTap(env, std::move(tap), duties); });
}

/// openPacket({interface, direction, promiscuous, filter?, method?, namespace?}) → Promise<{device, index,
/// ..., method}>
Napi::Value openPacketDevice(const Napi::CallbackInfo& info) {
  const auto asked = info[0].As<Napi::Object>();
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
      info.Env(), info[0], [options] { return openPacketSocket(options); },
      [direction = options.direction, complete = flag(asked, "completeChecksums")](Napi::Env env,
                                                                                   PacketSocket&& socket) {
        const Link link = socket.link;
        auto port = std::make_unique<PacketPort>(std::move(socket), direction, FramePool::largeCapacity);
        port->setMtu(link.mtu);
        if (complete) port->completeChecksums();
        const char* method = port->method() == PacketMethod::Ring ? "ring" : "calls";
        Napi::Object delivered = deliver(env, Device{std::move(port), {}}, link);
        delivered.Set("method", method);
        return delivered;
      });
}

/// makeGenerator({length, count?, source, destination}) → device
Napi::Value makeGenerator(const Napi::CallbackInfo& info) {
  const auto asked = info[0].As<Napi::Object>();
  GeneratorPort::Settings settings;
  settings.length = number(asked, "length");
  if (given(asked, "count")) settings.count = static_cast<std::uint64_t>(real(asked, "count"));
  settings.source = *macAddress(asked, "source");
  settings.destination = *macAddress(asked, "destination");
  return deliver(info.Env(), std::make_unique<GeneratorPort>(settings));
}

/// makeSink() → device
Napi::Value makeSink(const Napi::CallbackInfo& info) {
  return deliver(info.Env(), std::make_unique<SinkPort>());
}

// ---- sockets ----

constexpr std::array<std::string_view, 3> framingNames{"stream", "datagram", "seqpacket"};

Framing framingAt(const Napi::Object& options) {
  const auto name = std::find(framingNames.begin(), framingNames.end(), text(options, "framing"));
  return static_cast<Framing>(name - framingNames.begin());
}

/// {path} or {ip, port}
Result<SocketAddress> addressAt(const Napi::Object& options) {
  if (given(options, "path")) return SocketAddress::path(text(options, "path"));
  return SocketAddress::inet(text(options, "ip"), static_cast<std::uint16_t>(number(options, "port")));
}

Napi::Value deliver(Napi::Env env, Socket socket) {
  return Napi::External<Socket>::New(env, new Socket(std::move(socket)),
                                     [](Napi::Env, Socket* each) { delete each; });
}
Socket& socketAt(const Napi::CallbackInfo& info, std::size_t index) {
  return *info[index].As<Napi::External<Socket>>().Data();
}

std::unique_ptr<Port> portOf(Fd socket, Framing framing, std::uint32_t limit, bool pad) {
  if (framing == Framing::Stream) return std::make_unique<StreamPort>(std::move(socket), limit, pad);
  DatagramPort::Settings settings;
  settings.framing = framing;
  settings.connected = true;
  settings.limit = limit;
  settings.pad = pad;
  return std::make_unique<DatagramPort>(std::move(socket), std::move(settings));
}

/// adoptSocket(fd, {frameLimit, pad}) → {device, framing}; the descriptor is duplicated, the caller keeps its
/// own.
Napi::Value adoptSocket(const Napi::CallbackInfo& info) {
  auto own = duplicate(info[0].As<Napi::Number>().Int32Value());
  if (!own) return raise(info.Env(), own.error());
  const auto framing = framingOf(*own);
  if (!framing) return raise(info.Env(), framing.error());
  sockaddr_storage peer{};
  socklen_t length = sizeof peer;
  // SAFETY: the kernel writes at most `length` bytes.
  if (getpeername(own->get(), reinterpret_cast<sockaddr*>(&peer), &length) != 0)
    return raise(info.Env(), Error::last("getpeername", "the socket has no peer; connect it first"));
  const auto asked = info[1].As<Napi::Object>();
  auto object = Napi::Object::New(info.Env());
  object.Set("framing", std::string(framingNames[static_cast<std::size_t>(*framing)]));
  object.Set("device", deliver(info.Env(), portOf(std::move(*own), *framing, number(asked, "frameLimit"),
                                                  flag(asked, "pad"))));
  return object;
}

/// makeSocketPort(socket | undefined, {framing, frameLimit, pad}) → device; without a socket it is down at
/// once
Napi::Value makeSocketPort(const Napi::CallbackInfo& info) {
  const auto asked = info[1].As<Napi::Object>();
  const std::uint32_t limit = number(asked, "frameLimit");
  if (!given(info[0])) return deliver(info.Env(), std::make_unique<StreamPort>(Fd(), limit));
  return deliver(info.Env(),
                 portOf(std::move(socketAt(info, 0).fd), framingAt(asked), limit, flag(asked, "pad")));
}

/// makeDatagramPort(bound, {frameLimit, pad, peer?: {path | ip, port}}) → device
Napi::Value makeDatagramPort(const Napi::CallbackInfo& info) {
  const auto asked = info[1].As<Napi::Object>();
  DatagramPort::Settings settings;
  settings.limit = number(asked, "frameLimit");
  settings.pad = flag(asked, "pad");
  if (given(asked, "peer")) {
    const auto peer = addressAt(asked.Get("peer").As<Napi::Object>());
    if (!peer) return raise(info.Env(), peer.error());
    settings.peer = *peer;
  }
  auto own = duplicate(socketAt(info, 0).bound.fd());
  if (!own) return raise(info.Env(), own.error());
  return deliver(info.Env(), std::make_unique<DatagramPort>(std::move(*own), std::move(settings)));
}

/// makeGroupPort({ip, port, interface, frameLimit, pad}) → device
Napi::Value makeGroupPort(const Napi::CallbackInfo& info) {
  const auto asked = info[0].As<Napi::Object>();
  const auto group = addressAt(asked);
  if (!group) return raise(info.Env(), group.error());
  auto sockets = joinGroup(*group, text(asked, "interface"));
  if (!sockets) return raise(info.Env(), sockets.error());
  DatagramPort::Settings settings;
  settings.limit = number(asked, "frameLimit");
  settings.pad = flag(asked, "pad");
  settings.peer = *group;
  settings.sender = std::move(sockets->sender);
  return deliver(info.Env(),
                 std::make_unique<DatagramPort>(std::move(sockets->receiver), std::move(settings)));
}

/// bindSocket({path | ip, port, framing, mode}) → socket that listens, or receives datagrams
Napi::Value bindSocket(const Napi::CallbackInfo& info) {
  const auto asked = info[0].As<Napi::Object>();
  const auto address = addressAt(asked);
  if (!address) return raise(info.Env(), address.error());
  auto bound = BoundSocket::open(*address, framingAt(asked), static_cast<mode_t>(number(asked, "mode")));
  if (!bound) return raise(info.Env(), bound.error());
  return deliver(info.Env(), Socket{{}, std::move(*bound)});
}

/// socketAddress(bound) → text
Napi::Value socketAddress(const Napi::CallbackInfo& info) {
  return Napi::String::New(info.Env(), socketAt(info, 0).bound.address().text());
}

/// acceptPeer(bound) → socket | undefined
Napi::Value acceptPeer(const Napi::CallbackInfo& info) {
  auto peer = socketAt(info, 0).bound.accept();
  if (!peer) return raise(info.Env(), peer.error());
  if (!*peer) return info.Env().Undefined();
  return deliver(info.Env(), Socket{std::move(**peer), {}});
}

/// connectSocket({path | ip, port, framing}) → {socket, pending}
Napi::Value beginToConnect(const Napi::CallbackInfo& info) {
  const auto asked = info[0].As<Napi::Object>();
  const auto address = addressAt(asked);
  if (!address) return raise(info.Env(), address.error());
  auto connecting = connectSocket(*address, framingAt(asked));
  if (!connecting) return raise(info.Env(), connecting.error());
  auto object = Napi::Object::New(info.Env());
  object.Set("pending", connecting->pending);
  object.Set("socket", deliver(info.Env(), Socket{std::move(connecting->fd), {}}));
  return object;
}

/// finishConnecting(socket, {path | ip, port}) throws if it has not succeeded
Napi::Value finishConnecting(const Napi::CallbackInfo& info) {
  const auto address = addressAt(info[1].As<Napi::Object>());
  if (!address) return raise(info.Env(), address.error());
  if (auto done = connected(socketAt(info, 0).fd, *address); !done) return raise(info.Env(), done.error());
  return info.Env().Undefined();
}

/// closeSocket(socket), and removes its path
Napi::Value closeSocket(const Napi::CallbackInfo& info) {
  socketAt(info, 0) = {};
  return info.Env().Undefined();
}

// ---- namespaces ----

Napi::Value handNamespace(Napi::Env env, NetworkNamespace&& opened) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("fd", opened.fd());
  object.Set("handle",
             Napi::External<NetworkNamespace>::New(env, new NetworkNamespace(std::move(opened)),
                                                   [](Napi::Env, NetworkNamespace* space) { delete space; }));
  return object;
}

Napi::Value createNamespace(const Napi::CallbackInfo& info) {
  return Task<NetworkNamespace>::run(info.Env(), info.Env().Undefined(), NetworkNamespace::create,
                                     handNamespace);
}

Napi::Value openNamespace(const Napi::CallbackInfo& info) {
  return Task<NetworkNamespace>::run(
      info.Env(), info.Env().Undefined(),
      [name = info[0].As<Napi::String>().Utf8Value()] { return NetworkNamespace::open(name); },
      handNamespace);
}

Napi::Value closeNamespace(const Napi::CallbackInfo& info) {
  *info[0].As<Napi::External<NetworkNamespace>>().Data() = NetworkNamespace(Fd(), "closed");
  return info.Env().Undefined();
}

/// discardDevice(device): closes what no fabric took
Napi::Value discardDevice(const Napi::CallbackInfo& info) {
  *info[0].As<Napi::External<Device>>().Data() = {};
  return info.Env().Undefined();
}

/// findInterface(name, namespace | undefined) → Promise<{index, name, mac, mtu, up} | undefined>
Napi::Value findInterface(const Napi::CallbackInfo& info) {
  const NetworkNamespace* space =
      info[1].IsUndefined() ? nullptr : info[1].As<Napi::External<NetworkNamespace>>().Data();
  using Found = std::optional<Link>;
  return Task<Found>::run(
      info.Env(), info[1],
      [space, name = info[0].As<Napi::String>().Utf8Value()] {
        return runIn(space, [&]() -> Result<Found> {
          auto netlink = Rtnetlink::open();
          if (!netlink) return netlink.error();
          auto link = netlink->link(name);
          return link ? Found(*std::move(link)) : Found();
        });
      },
      [](Napi::Env env, Found&& found) {
        return found ? Napi::Value(describe(env, *found)) : env.Undefined();
      });
}

/// configure({namespace?, interface, up?, addresses?, routes?: [[prefix, gateway]...]}) → Promise<void>
Napi::Value configureInterface(const Napi::CallbackInfo& info) {
  const auto options = info[0].As<Napi::Object>();
  std::optional<Error> wrong;
  auto addresses = prefixes(options, "addresses", wrong);
  auto destinations = prefixes(options, "destinations", wrong);
  auto gateways = prefixes(options, "gateways", wrong);
  return Task<bool>::run(
      info.Env(), info[0],
      [space = networkNamespace(options), name = text(options, "interface"), up = flag(options, "up"), wrong,
       addresses = std::move(addresses), destinations = std::move(destinations),
       gateways = std::move(gateways)]() -> Result<bool> {
        if (wrong) return *wrong;
        return runIn(space, [&]() -> Result<bool> {
          auto netlink = Rtnetlink::open();
          if (!netlink) return netlink.error();
          auto link = netlink->link(name);
          if (!link) return link.error();
          for (const AddressPrefix& address : addresses) {
            if (auto added = netlink->addAddress(link->index, address); !added) return added.error();
          }
          if (up) {
            if (auto raised = netlink->setUp(link->index, true); !raised) return raised.error();
          }
          for (std::size_t index = 0; index < destinations.size(); ++index) {
            if (auto added = netlink->addRoute(destinations[index], gateways[index]); !added)
              return added.error();
          }
          return true;
        });
      },
      [](Napi::Env env, bool&&) { return env.Undefined(); });
}

/// compileExpression(text) → Uint8Array of instructions
Napi::Value compile(const Napi::CallbackInfo& info) {
  auto program = compileExpression(info[0].As<Napi::String>().Utf8Value());
  if (!program) return raise(info.Env(), program.error());
  const std::size_t bytes = program->size() * sizeof(FilterInstruction);
  auto array = Napi::Uint8Array::New(info.Env(), bytes);
  std::memcpy(array.Data(), program->data(), bytes);
  return array;
}

/// verifyFilter(program) throws when the program is not one that may run
Napi::Value verify(const Napi::CallbackInfo& info) {
  auto program = FilterProgram::verify(instructions(info[0]));
  if (!program) return raise(info.Env(), program.error());
  return info.Env().Undefined();
}

/// socketPair(framing) → [fd, fd], which are the caller's to close.
Napi::Value makeSocketPair(const Napi::CallbackInfo& info) {
  const std::string framing = info[0].As<Napi::String>().Utf8Value();
  auto pair = socketPair(framing == "stream"     ? SOCK_STREAM
                         : framing == "datagram" ? SOCK_DGRAM
                                                 : SOCK_SEQPACKET);
  if (!pair) return raise(info.Env(), pair.error());
  auto numbers = Napi::Array::New(info.Env(), 2);
  numbers.Set(0U, (*pair)[0].release());
  numbers.Set(1U, (*pair)[1].release());
  return numbers;
}

}  // namespace

void registerDevices(Napi::Env env, Napi::Object exports) {
  exports.Set("openTap", Napi::Function::New(env, openTapDevice));
  exports.Set("adoptTap", Napi::Function::New(env, adoptTapDevice));
  exports.Set("openPacket", Napi::Function::New(env, openPacketDevice));
  exports.Set("makeGenerator", Napi::Function::New(env, makeGenerator));
  exports.Set("makeSink", Napi::Function::New(env, makeSink));
  exports.Set("adoptSocket", Napi::Function::New(env, adoptSocket));
  exports.Set("makeSocketPort", Napi::Function::New(env, makeSocketPort));
  exports.Set("makeDatagramPort", Napi::Function::New(env, makeDatagramPort));
  exports.Set("makeGroupPort", Napi::Function::New(env, makeGroupPort));
  exports.Set("bindSocket", Napi::Function::New(env, bindSocket));
  exports.Set("socketAddress", Napi::Function::New(env, socketAddress));
  exports.Set("acceptPeer", Napi::Function::New(env, acceptPeer));
  exports.Set("connectSocket", Napi::Function::New(env, beginToConnect));
  exports.Set("finishConnecting", Napi::Function::New(env, finishConnecting));
  exports.Set("closeSocket", Napi::Function::New(env, closeSocket));
  exports.Set("createNamespace", Napi::Function::New(env, createNamespace));
  exports.Set("openNamespace", Napi::Function::New(env, openNamespace));
  exports.Set("closeNamespace", Napi::Function::New(env, closeNamespace));
  exports.Set("discardDevice", Napi::Function::New(env, discardDevice));
  exports.Set("findInterface", Napi::Function::New(env, findInterface));
  exports.Set("configureInterface", Napi::Function::New(env, configureInterface));
  exports.Set("compileExpression", Napi::Function::New(env, compile));
  exports.Set("verifyFilter", Napi::Function::New(env, verify));
  exports.Set("socketPair", Napi::Function::New(env, makeSocketPair));
}

}  // namespace etherloom
