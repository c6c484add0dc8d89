// VxlanPort, and the socket that all of one address share, for JavaScript.
#include "ports/vxlan_port.hpp"

#include "binding/call.hpp"
#include "binding/device.hpp"
#include "binding/engine.hpp"
#include "binding/exports.hpp"

namespace etherloom {
namespace {

/// What ports of one local address and port share, and where they have to be: an External in JavaScript.
struct SharedSocket {
  std::shared_ptr<VxlanSocket> socket;
  SocketAddress local;
  std::uint16_t worker = 0;
};

/// Source ports begin here (RFC 7348, section 5), and end with the last that there is.
constexpr std::uint32_t sourcePorts = 49'152;

/// The same for a network at every start, and different for most that are neighbours.
std::uint16_t sourcePortOf(std::uint32_t vni) {
  constexpr std::uint32_t multiplier = 2'654'435'761U;  // D. Knuth, TAOCP 3, section 6.4
  return static_cast<std::uint16_t>(sourcePorts + (vni * multiplier >> 18));
}

std::vector<std::pair<std::string, SocketAddress>> peersIn(const Napi::Array& ips, std::uint16_t port,
                                                           std::optional<Error>& error) {
  std::vector<std::pair<std::string, SocketAddress>> peers;
  for (std::uint32_t index = 0; index < ips.Length(); ++index) {
    const std::string ip = ips.Get(index).As<Napi::String>().Utf8Value();
    const auto address = SocketAddress::inet(ip, port);
    if (!address) {
      error = address.error();
      return {};
    }
    peers.emplace_back(ip, *address);
  }
  return peers;
}

/// openVxlanSocket(engine, {ip, port, namespace?}) → shared; its worker is the one with least to do
Napi::Value openVxlanSocket(Napi::Env env, EngineObject& engine, Napi::Object asked) {
  const auto local =
      SocketAddress::inet(text(asked, "ip"), static_cast<std::uint16_t>(number(asked, "port")));
  if (!local) return raise(env, local.error());
  auto socket = runIn(networkNamespace(asked), [&local] { return openTunnelReceiver(*local); });
  if (!socket) return raise(env, socket.error());
  const SocketAddress bound = SocketAddress::boundTo(*socket);
  SharedSocket shared{std::make_shared<VxlanSocket>(std::move(*socket)), bound,
                      engine.native().leastLoaded()};
  engine.native().addSource(shared.worker, shared.socket);
  return hand(env, std::move(shared));
}

/// closeVxlanSocket(engine, shared) → ticket. When it is settled the address is free.
Ticket closeVxlanSocket(Napi::Env, EngineObject& engine, SharedSocket& shared) {
  return engine.native().removeSource(shared.worker, shared.socket);
}

/// makeVxlanPort(shared, {vni, frameLimit, addresses, ageing, checksum, remotePort, peers, namespace?}) →
/// device
Napi::Value makeVxlanPort(Napi::Env env, SharedSocket& shared, Napi::Object asked) {
  VxlanPort::Settings settings;
  settings.vni = number(asked, "vni");
  settings.limit = number(asked, "frameLimit");
  settings.addresses = number(asked, "addresses");
  settings.ageing = Duration{signed64(asked, "ageing")};
  std::optional<Error> error;
  const auto peers = peersIn(asked.Get("peers").As<Napi::Array>(),
                             static_cast<std::uint16_t>(number(asked, "remotePort")), error);
  if (error) return raise(env, *error);
  const SocketAddress from = shared.local.withPort(sourcePortOf(settings.vni));
  auto sender = runIn(networkNamespace(asked), [&from, checksum = flag(asked, "checksum")] {
    return openTunnelSender(from, checksum);
  });
  if (!sender) return raise(env, sender.error());
  return hand(env, Device{std::make_unique<VxlanPort>(shared.socket, std::move(*sender), settings,
                                                      VxlanPeers().changed(peers)),
                          {},
                          shared.worker});
}

VxlanPort* vxlanPort(EngineObject& engine, PortId id) { return portAs<VxlanPort>(engine.native().port(id)); }

/// setVxlanPeers(engine, port, ips, remotePort) → ticket
Napi::Value setVxlanPeers(Napi::Env env, EngineObject& engine, PortId id, Napi::Array ips,
                          std::uint16_t remotePort) {
  std::optional<Error> error;
  const auto wanted = peersIn(ips, remotePort, error);
  if (error) return raise(env, *error);
  VxlanPort* const port = vxlanPort(engine, id);
  if (port) {
    engine.native().orderPort(id, [next = port->want(port->peers().changed(wanted))](Port& its) {
      static_cast<VxlanPort&>(its).adopt(next);
    });
  }
  return give(env, engine.native().fence([] {}));
}

/// vxlanState(engine, port, {ip, namespace?}) → {sourcePort, strays: [...], peers: [{ip, counts, mtu?,
/// addresses}]}
Napi::Value vxlanState(Napi::Env env, EngineObject& engine, PortId id, Napi::Object asked) {
  const VxlanPort* const port = vxlanPort(engine, id);
  if (!port) return env.Undefined();
  const auto local = SocketAddress::inet(text(asked, "ip"), 0);
  if (!local) return raise(env, local.error());

  auto state = Napi::Object::New(env);
  // SAFETY: an address of IP, whose port stands at the same place in both kinds.
  const SocketAddress from = SocketAddress::boundTo(port->sender());
  state.Set("sourcePort", readBig16(reinterpret_cast<const std::uint8_t*>(from.get()) + 2));

  const VxlanSocket::Strays& strays = port->socket().strays();
  std::array<std::uint64_t, 3> counts{};
  strays.sequence.read([&] {
    counts = {strays.tooShort.get(), strays.withoutVni.get(), strays.unknownVni.get()};
  });
  state.Set("strays", words(env, counts));

  auto probe = runIn(networkNamespace(asked), [&local] { return openTunnelSender(*local, true); });
  const auto learned = port->addresses(engine.native().now());
  auto peers = Napi::Array::New(env);
  for (std::size_t slot = 0; slot < VxlanPeers::limit; ++slot) {
    const VxlanPeer* const peer = port->peers().at(slot);
    if (!peer) continue;
    std::array<std::uint64_t, 7> its{};
    peer->sequence.read([&] {
      its = {peer->receivedFrames.get(),
             peer->receivedBytes.get(),
             peer->sentFrames.get(),
             peer->sentBytes.get(),
             peer->tooLong.get(),
             peer->unreachable.get(),
             peer->full.get()};
    });
    auto object = Napi::Object::New(env);
    object.Set("ip", peer->ip);
    object.Set("counts", words(env, its));
    if (probe) {
      if (const auto mtu = mtuTowards(*probe, peer->address)) object.Set("mtu", *mtu);
    }
    auto addresses = Napi::Array::New(env);
    for (const AddressRow& row : learned) {
      if (static_cast<std::size_t>(row.seat) != slot) continue;
      auto entry = Napi::Object::New(env);
      entry.Set("address", Napi::BigInt::New(env, row.address.value));
      entry.Set("age", Napi::BigInt::New(env, row.age.nanoseconds));
      addresses.Set(addresses.Length(), entry);
    }
    object.Set("addresses", addresses);
    peers.Set(peers.Length(), object);
  }
  state.Set("peers", peers);
  return state;
}

const Exports vxlanExports{{"openVxlanSocket", call<openVxlanSocket>},
                           {"closeVxlanSocket", call<closeVxlanSocket>},
                           {"makeVxlanPort", call<makeVxlanPort>},
                           {"setVxlanPeers", call<setVxlanPeers>},
                           {"vxlanState", call<vxlanState>}};

}  // namespace
}  // namespace etherloom
