// Network namespaces and their interfaces, for JavaScript.
#include "os/namespace.hpp"

#include "binding/call.hpp"
#include "binding/device.hpp"
#include "binding/exports.hpp"
#include "os/rtnetlink.hpp"

namespace etherloom {
namespace {

Napi::Value handNamespace(Napi::Env env, NetworkNamespace&& opened) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("fd", opened.fd());
  object.Set("handle", hand(env, std::move(opened)));
  return object;
}

/// createNamespace() → Promise<{handle, fd}>
Napi::Value createNamespace(Napi::Env env) {
  return Task<NetworkNamespace>::run(env, env.Undefined(), NetworkNamespace::create, handNamespace);
}

/// openNamespace(path or name) → Promise<{handle, fd}>
Napi::Value openNamespace(Napi::Env env, std::string name) {
  return Task<NetworkNamespace>::run(
      env, env.Undefined(), [name] { return NetworkNamespace::open(name); }, handNamespace);
}

void closeNamespace(Napi::Env, NetworkNamespace& space) { space = NetworkNamespace(Fd(), "closed"); }

/// findInterface(name, namespace | undefined) → Promise<{index, name, mac, mtu, up} | undefined>
Napi::Value findInterface(Napi::Env env, std::string name, Napi::Value where) {
  const NetworkNamespace* space = networkNamespace(where);
  using Found = std::optional<Link>;
  return Task<Found>::run(
      env, where,
      [space, name] {
        return runIn(space, [&]() -> Result<Found> {
          auto netlink = Rtnetlink::open();
          if (!netlink) return netlink.error();
          auto link = netlink->link(name);
          return link ? Found(*std::move(link)) : Found();
        });
      },
      [](Napi::Env own, Found&& found) {
        return found ? Napi::Value(describe(own, *found)) : own.Undefined();
      });
}

/// configureInterface({namespace?, interface, up?, addresses?, routes?: [[prefix, gateway]...]}) →
/// Promise<void>
Napi::Value configureInterface(Napi::Env env, Napi::Object options) {
  std::optional<Error> wrong;
  auto addresses = prefixes(options, "addresses", wrong);
  auto destinations = prefixes(options, "destinations", wrong);
  auto gateways = prefixes(options, "gateways", wrong);
  return Task<bool>::run(
      env, options,
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
      [](Napi::Env own, bool&&) { return own.Undefined(); });
}

const Exports exports{{"createNamespace", call<createNamespace>},
                      {"openNamespace", call<openNamespace>},
                      {"closeNamespace", call<closeNamespace>},
                      {"findInterface", call<findInterface>},
                      {"configureInterface", call<configureInterface>}};

}  // namespace
}  // namespace etherloom
