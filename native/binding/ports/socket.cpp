// Ports of sockets, for JavaScript: streams and datagrams, connected, bound or adopted.
#include <algorithm>
#include <array>
#include <chrono>

#include "binding/call.hpp"
#include "binding/device.hpp"
#include "binding/engine.hpp"
#include "binding/exports.hpp"
#include "os/socket.hpp"
#include "ports/datagram_port.hpp"
#include "ports/stream_port.hpp"

namespace etherloom {
namespace {

/// A socket that has a port to come to, or waits for one: an External in JavaScript.
struct Socket {
  Fd fd;
  BoundSocket bound;
  [[nodiscard]] int descriptor() const { return fd ? fd.get() : bound.fd(); }
};

/// How frames stand in a socket. One that is no stream has one in each message.
struct Framing {
  std::string_view name;
  SocketType type;
  const StreamFraming* stream = nullptr;
};

constexpr std::array messages{Framing{"datagram", SocketType::Datagram},
                              Framing{"seqpacket", SocketType::SeqPacket}};

/// By its word in lib/ports/framings.ts.
Result<Framing> framingNamed(const std::string& name) {
  const auto found = std::ranges::find(messages, name, &Framing::name);
  if (found != messages.end()) return *found;
  const StreamFraming* const stream = StreamFraming::find(name);
  if (stream) return Framing{stream->name, SocketType::Stream, stream};
  return Error{EPROTONOSUPPORT, "", "the addon has no framing '" + name + "'"};
}

/// What a socket of a type has where nobody says.
Framing usualOf(SocketType type) {
  const auto found = std::ranges::find(messages, type, &Framing::type);
  return found != messages.end() ? *found : *framingNamed("stream");
}

/// {path} or {ip, port}
Result<SocketAddress> addressAt(const Napi::Object& options) {
  if (given(options, "path")) return SocketAddress::path(text(options, "path"));
  return SocketAddress::inet(text(options, "ip"), static_cast<std::uint16_t>(number(options, "port")));
}

std::unique_ptr<Port> portOf(Fd socket, const Framing& framing, std::uint32_t limit, bool pad) {
  if (framing.stream) return std::make_unique<StreamPort>(std::move(socket), *framing.stream, limit, pad);
  DatagramPort::Settings settings;
  settings.type = framing.type;
  settings.connected = true;
  settings.limit = limit;
  settings.pad = pad;
  return std::make_unique<DatagramPort>(std::move(socket), std::move(settings));
}

/// adoptSocket(fd, {framing?, frameLimit, pad}) → {device, framing}; the descriptor is duplicated, the caller
/// keeps its own.
Napi::Value adoptSocket(Napi::Env env, int fd, Napi::Object asked) {
  auto own = duplicate(fd);
  if (!own) return raise(env, own.error());
  const auto type = typeOf(*own);
  if (!type) return raise(env, type.error());
  const auto framing =
      given(asked, "framing") ? framingNamed(text(asked, "framing")) : Result<Framing>(usualOf(*type));
  if (!framing) return raise(env, framing.error());
  if (framing->type != *type)
    return raise(env, Error{EPROTOTYPE, "",
                            "a descriptor of another type of socket has no framing '" +
                                std::string(framing->name) + "'"});
  sockaddr_storage peer{};
  socklen_t length = sizeof peer;
  // SAFETY: the kernel writes at most `length` bytes.
  if (getpeername(own->get(), reinterpret_cast<sockaddr*>(&peer), &length) != 0)
    return raise(env, Error::last("getpeername", "the socket has no peer; connect it first"));
  auto object = Napi::Object::New(env);
  object.Set("framing", std::string(framing->name));
  object.Set(
      "device",
      hand(env, Device{portOf(std::move(*own), *framing, number(asked, "frameLimit"), flag(asked, "pad"))}));
  return object;
}

/// makeSocketPort(socket | undefined, {framing, frameLimit, pad}) → device; without a socket it is down at
/// once
Napi::Value makeSocketPort(Napi::Env env, Napi::Value socket, Napi::Object asked) {
  const std::uint32_t limit = number(asked, "frameLimit");
  if (!given(socket))
    return hand(env, Device{std::make_unique<StreamPort>(Fd(), *usualOf(SocketType::Stream).stream, limit)});
  const auto framing = framingNamed(text(asked, "framing"));
  if (!framing) return raise(env, framing.error());
  Fd& fd = socket.As<Napi::External<Socket>>().Data()->fd;
  return hand(env, Device{portOf(std::move(fd), *framing, limit, flag(asked, "pad"))});
}

/// makeDatagramPort(bound, {frameLimit, pad, peer?: {path | ip, port}, control?: socket}) → device. With a
/// control stream, which stays the caller's too, the socket has its peer.
Napi::Value makeDatagramPort(Napi::Env env, Socket& socket, Napi::Object asked) {
  DatagramPort::Settings settings;
  settings.limit = number(asked, "frameLimit");
  settings.pad = flag(asked, "pad");
  if (given(asked, "peer")) {
    const auto peer = addressAt(asked.Get("peer").As<Napi::Object>());
    if (!peer) return raise(env, peer.error());
    settings.peer = *peer;
  }
  if (given(asked, "control")) {
    const auto& control = *asked.Get("control").As<Napi::External<Socket>>().Data();
    auto stream = duplicate(control.fd.get());
    if (!stream) return raise(env, stream.error());
    settings.control = std::move(*stream);
    settings.connected = true;
  }
  auto own = duplicate(socket.bound.fd());
  if (!own) return raise(env, own.error());
  return hand(env, Device{std::make_unique<DatagramPort>(std::move(*own), std::move(settings))});
}

/// makeGroupPort({ip, port, interface, frameLimit, pad}) → device
Napi::Value makeGroupPort(Napi::Env env, Napi::Object asked) {
  const auto group = addressAt(asked);
  if (!group) return raise(env, group.error());
  auto sockets = joinGroup(*group, text(asked, "interface"));
  if (!sockets) return raise(env, sockets.error());
  DatagramPort::Settings settings;
  settings.limit = number(asked, "frameLimit");
  settings.pad = flag(asked, "pad");
  settings.peer = *group;
  settings.sender = std::move(sockets->sender);
  return hand(env, Device{std::make_unique<DatagramPort>(std::move(sockets->receiver), std::move(settings))});
}

/// bindSocket({path | ip, port | fd, framing, mode, owner?}) → socket that listens, or receives datagrams. A
/// descriptor is duplicated, and stays where it is.
Napi::Value bindSocket(Napi::Env env, Napi::Object asked) {
  const auto framing = framingNamed(text(asked, "framing"));
  if (!framing) return raise(env, framing.error());
  if (given(asked, "fd")) {
    auto handed = BoundSocket::inherited(static_cast<int>(number(asked, "fd")), framing->type);
    if (!handed) return raise(env, handed.error());
    return hand(env, Socket{{}, std::move(*handed)});
  }
  const auto address = addressAt(asked);
  if (!address) return raise(env, address.error());
  const auto owner =
      given(asked, "owner") ? std::optional<uid_t>(number(asked, "owner")) : std::optional<uid_t>();
  auto bound = BoundSocket::open(*address, framing->type, static_cast<mode_t>(number(asked, "mode")), owner);
  if (!bound) return raise(env, bound.error());
  return hand(env, Socket{{}, std::move(*bound)});
}

/// socketAddress(bound) → text
std::string socketAddress(Napi::Env, Socket& socket) { return socket.bound.address().text(); }

/// duplicateSocket(bound) → number: another descriptor of it, which is the caller's to close
Napi::Value duplicateSocket(Napi::Env env, Socket& socket) {
  auto own = duplicate(socket.bound.fd());
  if (!own) return raise(env, own.error());
  return Napi::Number::New(env, own->release());
}

/// acceptPeer(bound) → socket | undefined
Napi::Value acceptPeer(Napi::Env env, Socket& socket) {
  auto peer = socket.bound.accept();
  if (!peer) return raise(env, peer.error());
  if (!*peer) return env.Undefined();
  return hand(env, Socket{std::move(**peer), {}});
}

/// connectSocket({path | ip, port, framing}) → {socket, pending}
Napi::Value beginToConnect(Napi::Env env, Napi::Object asked) {
  const auto address = addressAt(asked);
  if (!address) return raise(env, address.error());
  const auto framing = framingNamed(text(asked, "framing"));
  if (!framing) return raise(env, framing.error());
  auto connecting = connectSocket(*address, framing->type);
  if (!connecting) return raise(env, connecting.error());
  auto object = Napi::Object::New(env);
  object.Set("pending", connecting->pending);
  object.Set("socket", hand(env, Socket{std::move(connecting->fd), {}}));
  return object;
}

/// finishConnecting(socket, {path | ip, port}) throws if it has not succeeded
Result<void> finishConnecting(Napi::Env, Socket& socket, Napi::Object asked) {
  const auto address = addressAt(asked);
  if (!address) return address.error();
  return connected(socket.fd, *address);
}

/// sendBytes(socket, bytes), as one message
Result<void> sendBytes(Napi::Env, Socket& socket, Napi::Uint8Array bytes) {
  return sendMessage(socket.fd, {bytes.Data(), bytes.ByteLength()});
}

/// receiveBytes(socket, most) → bytes | undefined; none when the peer has closed
Napi::Value receiveBytes(Napi::Env env, Socket& socket, std::uint32_t most) {
  auto bytes = Napi::Uint8Array::New(env, most);
  const auto got = receiveMessage(socket.fd, {bytes.Data(), bytes.ByteLength()});
  if (!got) return raise(env, got.error());
  if (!*got) return env.Undefined();
  return Napi::Uint8Array::New(env, **got, bytes.ArrayBuffer(), 0);
}

/// peerIdentity(socket) → {process, user, group}
Napi::Value peerIdentity(Napi::Env env, Socket& socket) {
  const auto peer = identityOf(socket.fd);
  if (!peer) return raise(env, peer.error());
  auto object = Napi::Object::New(env);
  object.Set("process", peer->process);
  object.Set("user", peer->user);
  object.Set("group", peer->group);
  return object;
}

/// connectPeer(bound, path, owners): a socket of datagrams to its only peer
Result<void> connectPeer(Napi::Env, Socket& socket, Napi::Uint8Array path, Napi::Uint32Array owners) {
  const auto address = SocketAddress::path({path.Data(), path.Data() + path.ByteLength()});
  if (!address) return address.error();
  return connectDatagrams(socket.bound.fd(), *address, {owners.Data(), owners.ElementLength()});
}

/// watchSocket(engine, socket, 'readable' | 'writable') → watch, which poll() reports once
Result<std::uint32_t> watchSocket(Napi::Env, EngineObject& engine, Socket& socket, std::string what) {
  return engine.watches().add(socket.descriptor(), what == "readable" ? DescriptorWatch::What::Readable
                                                                      : DescriptorWatch::What::Writable);
}

/// closeSocket(socket), and removes its path
void closeSocket(Napi::Env, Socket& socket) { socket = {}; }

/// keepAlive(engine, port)
void keepAlive(Napi::Env, EngineObject& engine, PortId id) {
  engine.native().orderPort(id, [](Port& port) {
    if (auto* const datagrams = portAs<DatagramPort>(port)) datagrams->keepAlive();
  });
}

/// attendPeer(engine, port, seconds)
void attendPeer(Napi::Env, EngineObject& engine, PortId id, std::uint32_t now) {
  engine.native().orderPort(id, [now](Port& port) {
    if (auto* const stream = portAs<StreamPort>(port)) stream->attendPeer(std::chrono::seconds(now));
  });
}

/// peerUser(fd) → the user id of the other end of a Unix socket
Result<std::uint32_t> userOfPeer(Napi::Env, int fd) { return peerUser(fd); }

/// socketPair(framing) → [fd, fd], which are the caller's to close.
Napi::Value makeSocketPair(Napi::Env env, std::string name) {
  const auto framing = framingNamed(name);
  if (!framing) return raise(env, framing.error());
  auto pair = socketPair(framing->type);
  if (!pair) return raise(env, pair.error());
  auto numbers = Napi::Array::New(env, 2);
  numbers.Set(0U, (*pair)[0].release());
  numbers.Set(1U, (*pair)[1].release());
  return numbers;
}

const Exports socketExports{{"adoptSocket", call<adoptSocket>},
                            {"makeSocketPort", call<makeSocketPort>},
                            {"makeDatagramPort", call<makeDatagramPort>},
                            {"makeGroupPort", call<makeGroupPort>},
                            {"bindSocket", call<bindSocket>},
                            {"socketAddress", call<socketAddress>},
                            {"duplicateSocket", call<duplicateSocket>},
                            {"acceptPeer", call<acceptPeer>},
                            {"connectSocket", call<beginToConnect>},
                            {"finishConnecting", call<finishConnecting>},
                            {"sendBytes", call<sendBytes>},
                            {"receiveBytes", call<receiveBytes>},
                            {"peerIdentity", call<peerIdentity>},
                            {"connectPeer", call<connectPeer>},
                            {"watchSocket", call<watchSocket>},
                            {"closeSocket", call<closeSocket>},
                            {"keepAlive", call<keepAlive>},
                            {"attendPeer", call<attendPeer>},
                            {"peerUser", call<userOfPeer>},
                            {"socketPair", call<makeSocketPair>}};

}  // namespace
}  // namespace etherloom
