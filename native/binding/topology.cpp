// Fabrics, ports and policies of an engine, for JavaScript.
#include <algorithm>

#include "binding/device.hpp"
#include "binding/engine.hpp"
#include "binding/exports.hpp"

namespace etherloom {
namespace {

/// addFabric(name, kind, forwarding, settings) → id
Result<FabricId> addFabric(EngineObject& engine, std::string name, std::string kind, bool forwarding,
                           Napi::Object settings) {
  const FabricKind* asked = FabricKind::find(kind);
  if (!asked) return Error{EINVAL, "", "there is no kind of fabric '" + kind + "'"};
  return engine.native().addFabric(std::move(name), asked->make(settings), forwarding);
}

/// {delay: bigint, receive?: {broadcast, multicast, addresses: BigUint64Array},
/// storm?: {broadcast?, multicast?, unknown?}, group?, vlan?: {tagged: Uint16Array, untagged}}
PortSettings portSettings(const Napi::Object& asked) {
  PortSettings settings;
  settings.delay = {signed64(asked, "delay")};
  settings.group = text(asked, "group");
  if (given(asked, "vlan")) {
    const auto vlan = asked.Get("vlan").As<Napi::Object>();
    const auto tagged = vlan.Get("tagged").As<Napi::Uint16Array>();
    settings.vlans = std::make_shared<const PortVlans>(
        static_cast<std::uint16_t>(number(vlan, "untagged")),
        std::span<const std::uint16_t>(tagged.Data(), tagged.ElementLength()));
  }
  if (given(asked, "storm")) {
    const auto storm = asked.Get("storm").As<Napi::Object>();
    for (std::size_t kind = 0; kind < trafficKinds; ++kind) {
      const std::string name(trafficNames[kind]);
      if (given(storm, name.c_str())) settings.storm.perSecond[kind] = number(storm, name.c_str());
    }
  }
  if (!given(asked, "receive")) return settings;
  const auto receive = asked.Get("receive").As<Napi::Object>();
  const auto addresses = receive.Get("addresses").As<Napi::BigUint64Array>();
  ReceiveFilter filter;
  filter.broadcast = flag(receive, "broadcast");
  filter.multicast = flag(receive, "multicast");
  filter.addresses.assign(addresses.Data(), addresses.Data() + addresses.ElementLength());
  std::sort(filter.addresses.begin(), filter.addresses.end());
  settings.receive = std::make_shared<const ReceiveFilter>(std::move(filter));
  return settings;
}

/// endStorm(port, traffic, until) → {goesOn, last, hits, seen}
Napi::Value endStorm(EngineObject& engine, PortId port, std::uint32_t traffic, Duration until) {
  return words(engine.Env(),
               engine.native().endStorm(port, static_cast<Traffic>(traffic), Instant{until.nanoseconds}));
}

/// endFlapping(fabric, address: bigint, until) → {goesOn, last, hits, seen}
Napi::Value endFlapping(EngineObject& engine, FabricId fabric, Napi::BigInt address, Duration until) {
  return words(engine.Env(), engine.native().endFlapping(fabric, AddressKey{unsigned64(address)},
                                                         Instant{until.nanoseconds}));
}

/// expect(fabric, name, settings | undefined)
void expect(EngineObject& engine, FabricId fabric, std::string name, Napi::Value asked) {
  std::optional<PortSettings> settings;
  if (asked.IsObject()) settings = portSettings(asked.As<Napi::Object>());
  engine.native().expect(fabric, name, std::move(settings));
}

/// configure(port, settings) → ticket
Ticket configure(EngineObject& engine, PortId port, Napi::Object settings) {
  return engine.native().configure(port, portSettings(settings));
}

/// attach(fabric, name, device) → port
Result<PortId> attach(EngineObject& engine, FabricId fabric, std::string name, Device& device) {
  if (!device.port) return Error{EINVAL, "", "the device was given to a port before"};
  return engine.native().attach(fabric, std::move(name), std::move(device.port), device.worker,
                                std::move(device.further));
}

/// revive(port, device) → ticket
Result<Ticket> revive(EngineObject& engine, PortId port, Device& device) {
  if (!device.port) return Error{EINVAL, "", "the device was given to a port before"};
  return engine.native().revive(port, std::move(device.port), std::move(device.further));
}

/// shared(key) → number | undefined
std::optional<std::uint64_t> shared(EngineObject& engine, std::string key) {
  return engine.policies().shared(key);
}

/// share(key, kind, bytes: Uint8Array) → number
std::uint64_t share(EngineObject& engine, std::string key, std::uint32_t kind, Napi::Uint8Array bytes) {
  return engine.policies().share(key, kind, {bytes.Data(), bytes.ByteLength()});
}

/// apply(fabric, policies, triples, flush) → [up, down, changed, ticket]
/// policies: Uint8Array of records; triples: Uint32Array of from, to, record (2^32 - 1: the fabric's default)
Napi::Value apply(EngineObject& self, FabricId fabric, Napi::Uint8Array records, Napi::Uint32Array triples,
                  bool flush) {
  const Napi::Env env = self.Env();
  Engine& engine = self.native();
  const auto policies = self.policies().read({records.Data(), records.ByteLength()});
  if (!policies) return raise(env, policies.error());
  std::vector<PathChange> changes;
  changes.reserve(triples.ElementLength() / 3);
  for (const std::uint32_t* at = triples.Data(); changes.size() < triples.ElementLength() / 3; at += 3) {
    const bool any = at[2] < policies->size();
    auto [policy, seed] = any ? (*policies)[at[2]] : GivenPolicy{};
    changes.push_back({PortId{at[0]}, PortId{at[1]}, std::move(policy), seed});
  }
  const auto applied = engine.apply(fabric, changes, flush);
  if (!applied) return raiseState(env, "a port of the change is not attached any more; attach it first");
  auto result = Napi::Array::New(env, 4);
  result.Set(0u, give(env, applied->up));
  result.Set(1u, give(env, applied->down));
  result.Set(2u, give(env, applied->changed));
  result.Set(3u, give(env, applied->ticket));
  return result;
}

/// portStats(port) → the words of a PortSnapshot
Napi::Value portStats(EngineObject& engine, PortId port) {
  return words(engine.Env(), engine.native().portSnapshot(port));
}

/// pathStats(from, to) → the words of a PathSnapshot | undefined
Napi::Value pathStats(EngineObject& engine, PortId from, PortId to) {
  const auto snapshot = engine.native().pathSnapshot(from, to);
  return snapshot ? words(engine.Env(), *snapshot) : engine.Env().Undefined();
}

/// addresses(fabric) → [{address, port, age}...]
Napi::Value addresses(EngineObject& engine, FabricId fabric) {
  const Napi::Env env = engine.Env();
  auto rows = Napi::Array::New(env);
  for (const LearnedAddress& known : engine.native().addresses(fabric)) {
    auto object = Napi::Object::New(env);
    object.Set("address", Napi::BigInt::New(env, known.address.value));
    object.Set("port", static_cast<std::uint32_t>(known.port));
    object.Set("age", Napi::BigInt::New(env, known.age.nanoseconds));
    rows.Set(rows.Length(), object);
  }
  return rows;
}

const EngineMethods topologyMethods{EngineObject::method<addFabric>("addFabric"),
                                    EngineObject::method<&Engine::removeFabric>("removeFabric"),
                                    EngineObject::method<expect>("expect"),
                                    EngineObject::method<configure>("configure"),
                                    EngineObject::method<attach>("attach"),
                                    EngineObject::method<&Engine::detach>("detach"),
                                    EngineObject::method<revive>("revive"),
                                    EngineObject::method<&Engine::endDevice>("endDevice"),
                                    EngineObject::method<&Engine::setMtu>("setMtu"),
                                    EngineObject::method<&Engine::setCarrier>("setCarrier"),
                                    EngineObject::method<shared>("shared"),
                                    EngineObject::method<share>("share"),
                                    EngineObject::method<apply>("apply"),
                                    EngineObject::method<portStats>("portStats"),
                                    EngineObject::method<pathStats>("pathStats"),
                                    EngineObject::method<addresses>("addresses"),
                                    EngineObject::method<endStorm>("endStorm"),
                                    EngineObject::method<endFlapping>("endFlapping")};

}  // namespace
}  // namespace etherloom
