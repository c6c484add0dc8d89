// Network namespaces and their interfaces, for JavaScript.
#include "os/namespace.hpp"

#include "binding/call.hpp"
#include "binding/device.hpp"
#include "binding/exports.hpp"
#include "os/rtnetlink.hpp"
#include "os/sysctl.hpp"

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

/// configureInterface({namespace?, interface, up?, addresses?}) → Promise<void>
Napi::Value configureInterface(Napi::Env env, Napi::Object options) {
  std::optional<Error> wrong;
  auto addresses = prefixes(options, "addresses", wrong);
  return Task<bool>::run(
      env, options,
      [space = networkNamespace(options), name = text(options, "interface"), up = flag(options, "up"), wrong,
       addresses = std::move(addresses)]() -> Result<bool> {
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
          return true;
        });
      },
      [](Napi::Env own, bool&&) { return own.Undefined(); });
}

/// changeRoute({namespace?, add, replace, ends: [destination, gateway?], interface?, metric}) → Promise<void>
Napi::Value changeRoute(Napi::Env env, Napi::Object options) {
  std::optional<Error> wrong;
  auto ends = prefixes(options, "ends", wrong);
  return Task<bool>::run(
      env, options,
      [space = networkNamespace(options), add = flag(options, "add"), replace = flag(options, "replace"),
       wrong, ends = std::move(ends), interface = text(options, "interface"),
       metric = number(options, "metric")]() -> Result<bool> {
        if (wrong) return *wrong;
        return runIn(space, [&]() -> Result<bool> {
          auto netlink = Rtnetlink::open();
          if (!netlink) return netlink.error();
          Route route{ends.at(0), {}, 0, static_cast<std::uint32_t>(metric)};
          if (ends.size() > 1) route.gateway = ends[1];
          if (!interface.empty()) {
            auto link = netlink->link(interface);
            if (!link && !add && link.error().number == ENODEV) return true;  // its routes went with it
            if (!link) return link.error();
            route.interface = link->index;
          }
          const Result<void> changed = add ? netlink->addRoute(route, replace) : netlink->removeRoute(route);
          if (!changed) return changed.error();
          return true;
        });
      },
      [](Napi::Env own, bool&&) { return own.Undefined(); });
}

/// changeSysctl({namespace?, path, value?}) → Promise<what it was>
Napi::Value changeSysctl(Napi::Env env, Napi::Object options) {
  std::optional<std::string> value;
  if (given(options, "value")) value = text(options, "value");
  return Task<std::string>::run(
      env, options,
      [space = networkNamespace(options), path = text(options, "path"), value = std::move(value)] {
        return runIn(space, [&] { return exchangeSysctl(path, value); });
      },
      [](Napi::Env own, std::string&& before) -> Napi::Value { return Napi::String::New(own, before); });
}

const Exports namespaceExports{{"createNamespace", call<createNamespace>},
                               {"openNamespace", call<openNamespace>},
                               {"closeNamespace", call<closeNamespace>},
                               {"findInterface", call<findInterface>},
                               {"configureInterface", call<configureInterface>},
                               {"changeRoute", call<changeRoute>},
                               {"changeSysctl", call<changeSysctl>}};

}  // namespace
}  // namespace etherloom
