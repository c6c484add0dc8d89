// Multi-queue TAPs: which queue the kernel puts a flow into, and an engine whose workers each read one of
// them, on the real clock and under traffic. ThreadSanitizer is to see the second part.
#include <algorithm>
#include <map>
#include <set>

#include "engine_fixtures.hpp"
#include "frame_fixtures.hpp"
#include "os/packet_socket.hpp"
#include "os/rtnetlink.hpp"
#include "os/tap.hpp"
#include "os_fixtures.hpp"
#include "ports/tap_port.hpp"

using namespace etherloom;

namespace {

constexpr unsigned flows = 64;
constexpr std::size_t payloadAt = 14 + 20 + 8;

/// UDP over IPv4; the flow is the source port, the payload begins with its and the frame's number.
Bytes flowFrame(std::uint32_t flow, std::uint32_t number, IpFrame shape = {.tcp = false, .payload = 32}) {
  Bytes bytes = shape.build();
  put16(bytes, shape.transportAt(), 10'000 + flow);
  put16(bytes, shape.transportAt() + 8, flow);
  put16(bytes, shape.transportAt() + 10, number);
  return bytes;
}

/// A multi-queue TAP `lan0` in a namespace of its own, and a packet socket on its kernel side once it is up.
struct Scene {
  NetworkNamespace home;
  Rtnetlink rtnetlink;
  Tap tap;
  PacketSocket kernel;

  static std::unique_ptr<Scene> create(int queues) {
    auto home = makeTestNamespace();
    if (!home) return nullptr;
    if (access("/dev/net/tun", R_OK | W_OK) != 0) {
      MESSAGE("skipped: /dev/net/tun is not open to this user");
      return nullptr;
    }
    auto rtnetlink = runIn(&*home, Rtnetlink::open);
    REQUIRE(rtnetlink);
    std::unique_ptr<Scene> scene(new Scene{*std::move(home), *std::move(rtnetlink), {}, {}});
    scene->open(queues);
    return scene;
  }
  void open(int queues) {
    TapOptions options;
    options.name = "lan0";
    options.queues = queues;
    options.virtioHeader = true;
    options.up = false;
    options.networkNamespace = &home;
    auto opened = openTap(options);
    REQUIRE_MESSAGE(opened, opened.error().message);
    tap = *std::move(opened);
  }
  void raise() {
    REQUIRE(rtnetlink.setUp(tap.link.index, true));
    PacketSocketOptions options;
    options.interface = "lan0";
    options.networkNamespace = &home;
    auto opened = openPacketSocket(options);
    REQUIRE(opened);
    kernel = *std::move(opened);
  }

  /// False when the interface is not there any more.
  bool send(const Bytes& bytes) const {
    return write(kernel.fd.get(), bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size());
  }
  /// In each queue, the flows of the test's frames that lie there.
  [[nodiscard]] std::vector<std::multiset<unsigned>> drain(std::size_t transportAt) const {
    std::vector<std::multiset<unsigned>> found;
    for (const Fd& queue : tap.queues) {
      auto& here = found.emplace_back();
      Bytes bytes(4096);
      for (ssize_t length = 0; (length = read(queue.get(), bytes.data(), bytes.size())) > 0;) {
        const auto frame = std::span(bytes).subspan(virtioHeaderLength);
        if (std::equal(testSource.begin(), testSource.end(), frame.begin() + 6))
          here.insert(get16(frame, transportAt + 8));
      }
    }
    return found;
  }
};

std::pair<std::unique_ptr<Port>, std::vector<std::unique_ptr<Port>>> portsOf(Tap& tap) {
  std::vector<std::unique_ptr<Port>> queues;
  for (Fd& queue : tap.queues)
    queues.push_back(std::make_unique<TapPort>(std::move(queue), 1518u, true, Offloads::All));
  std::unique_ptr<Port> first = std::move(queues.front());
  queues.erase(queues.begin());
  return {std::move(first), std::move(queues)};
}

/// The TAP on a hub with two stations: to one by default, to the other by a path with a line.
struct Network {
  Scene& scene;
  EngineBench bench;
  PortId tap{};
  EngineBench::Station* plain = nullptr;
  EngineBench::Station* shaped = nullptr;
  std::map<std::pair<std::uint32_t, unsigned>, std::vector<unsigned>> got;  ///< numbers, by station and flow
  std::uint32_t sent = 0;                                                   ///< frames of each flow

  Network(Scene& itsScene, unsigned workers) : scene(itsScene), bench(options(workers)) {
    bench.keepTags = false;
    bench.seen = [this](std::uint32_t station, std::span<const std::uint8_t> bytes) {
      if (bytes.size() > payloadAt + 4 && std::equal(testSource.begin(), testSource.end(), bytes.begin() + 6))
        got[{station, get16(bytes, payloadAt)}].push_back(get16(bytes, payloadAt + 2));
    };
    const FabricId hub = bench.hub();
    auto [first, further] = portsOf(scene.tap);
    const auto attached =
        bench.engine->attach(hub, "lan0", std::move(first), std::nullopt, std::move(further));
    REQUIRE(attached);
    tap = *attached;
    plain = &bench.join(hub);
    shaped = &bench.join(hub);
    auto policy = makePolicy();
    policy->line = LineSettings{10'000'000'000, 0, {}};
    bench.settle(
        bench.engine->apply(hub, std::array{PathChange{tap, shaped->id, policy, {}}}, false)->ticket);
    scene.raise();
  }
  static EngineOptions options(unsigned workers) {
    EngineOptions options;
    options.workers = workers;
    options.seed = 7;
    options.memory = 32u << 20;
    return options;
  }

  /// One frame of each flow, as far as the interface is there.
  void sendRound() {
    for (std::uint32_t flow = 0; flow < flows; ++flow) (void)scene.send(flowFrame(flow, sent));
    ++sent;
  }
  [[nodiscard]] std::uint64_t received(const EngineBench::Station& station) const {
    std::uint64_t frames = 0;
    for (std::uint32_t flow = 0; flow < flows; ++flow) {
      const auto numbers = got.find({station.number, flow});
      if (numbers != got.end()) frames += numbers->second.size();
    }
    return frames;
  }
  void balanced() const {
    REQUIRE(balances(bench.engine->portSnapshot(tap).defaults));
    REQUIRE(balances(*bench.engine->pathSnapshot(tap, shaped->id)));
  }
  /// Of every flow in order, nothing twice.
  void ordered() const {
    for (const auto& [place, numbers] : got) {
      CAPTURE(place.first);
      CAPTURE(place.second);
      CHECK(std::adjacent_find(numbers.begin(), numbers.end(), std::greater_equal<>()) == numbers.end());
    }
  }
};

}  // namespace

TEST_CASE("multi-queue tap: a flow stays in one queue, whichever its answers are written to") {
  constexpr int queues = 4;
  auto scene = Scene::create(queues);
  if (!scene) return;
  if (!scene->tap.steered) {
    MESSAGE("skipped: this kernel takes no program from us");
    return;
  }
  scene->raise();
  for (const IpFrame& shape :
       {IpFrame{.tcp = false, .payload = 32}, IpFrame{.payload = 32},
        IpFrame{.ip6 = true, .tcp = false, .payload = 32}, IpFrame{.ip6 = true, .payload = 32},
        IpFrame{.tcp = false, .ipOptions = 8, .payload = 32}}) {
    CAPTURE(shape.ip6);
    CAPTURE(shape.tcp);
    std::array<int, flows> home;
    home.fill(-1);
    unsigned used = 0;
    for (unsigned round = 0; round < 3; ++round) {
      for (unsigned flow = 0; flow < flows; ++flow) REQUIRE(scene->send(flowFrame(flow, round, shape)));
      const auto found = scene->drain(shape.transportAt());
      std::size_t frames = 0;
      for (int queue = 0; queue < queues; ++queue) {
        const auto& here = found[static_cast<std::size_t>(queue)];
        frames += here.size();
        if (!here.empty()) used |= 1u << queue;
        for (const unsigned flow : here) {
          if (round == 0) home[flow] = queue;
          CHECK(home[flow] == queue);
        }
      }
      CHECK(frames == flows);
      // The answers: from the destination's port, all on one queue.
      for (unsigned flow = 0; flow < flows; ++flow) {
        Bytes answer = flowFrame(flow, round, shape);
        std::swap_ranges(answer.begin(), answer.begin() + 6, answer.begin() + 6);
        const std::size_t length = shape.ip6 ? 16 : 4;
        const auto addresses = answer.begin() + (shape.ip6 ? 22 : 26);
        std::swap_ranges(addresses, addresses + static_cast<std::ptrdiff_t>(length),
                         addresses + static_cast<std::ptrdiff_t>(length));
        const auto ports = answer.begin() + static_cast<std::ptrdiff_t>(shape.transportAt());
        std::swap_ranges(ports, ports + 2, ports + 2);
        answer.insert(answer.begin(), virtioHeaderLength, 0);
        REQUIRE(write(scene->tap.queues[1].get(), answer.data(), answer.size()) ==
                static_cast<ssize_t>(answer.size()));
      }
    }
    CHECK(used == (1u << queues) - 1);
  }
}

TEST_CASE("multi-queue tap: every frame once, flows in order, whatever the number of queues and workers") {
  for (const auto& [queues, workers] : {std::pair(2, 2u), std::pair(2, 3u), std::pair(4, 4u)}) {
    CAPTURE(queues);
    CAPTURE(workers);
    auto scene = Scene::create(queues);
    if (!scene) return;
    Network network(*scene, workers);
    constexpr std::uint32_t rounds = 100;
    while (network.sent < rounds) {
      network.sendRound();
      network.bench.lookUntil([&] {
        network.balanced();
        // No more on their way than one queue of the device holds.
        return network.received(*network.plain) + 4 * flows > network.sent * flows &&
               network.received(*network.shaped) + 4 * flows > network.sent * flows;
      });
    }
    network.bench.lookUntil([&] {
      return network.received(*network.plain) == rounds * flows &&
             network.received(*network.shaped) == rounds * flows;
    });
    network.ordered();

    const PortSnapshot port = network.bench.engine->portSnapshot(network.tap);
    const PathSnapshot path = *network.bench.engine->pathSnapshot(network.tap, network.shaped->id);
    CHECK(port.receivedFrames >= rounds * flows);
    CHECK(port.defaults.offered == port.receivedFrames);
    CHECK(path.offered == port.receivedFrames);
    network.bench.lookUntil(
        [&] { return network.bench.engine->pathSnapshot(network.tap, network.shaped->id)->inFlight == 0; });
    network.balanced();
    CHECK(droppedIn(port.dropped) == 0);
    CHECK(droppedIn(path.dropped) == 0);

    // And back: what a station sends arrives at the interface once.
    REQUIRE(network.bench.send(*network.plain, 0xabcd));
    network.bench.commit();
    network.bench.lookUntil(
        [&] { return network.bench.engine->portSnapshot(network.tap).transmittedFrames == 1; });
  }
}

TEST_CASE("multi-queue tap: detached under traffic, it is gone whole") {
  auto scene = Scene::create(2);
  if (!scene) return;
  Network network(*scene, 2);
  for (int round = 0; round < 20; ++round) network.sendRound();
  network.bench.lookUntil([&] { return network.received(*network.plain) > 0; });
  const Ticket leaving = network.bench.engine->detach(network.tap);
  network.bench.lookUntil([&] {
    network.sendRound();
    return network.bench.engine->settled(leaving);
  });
  network.ordered();
  CHECK_FALSE(scene->rtnetlink.link("lan0"));
  CHECK(network.bench.events.empty());
}

TEST_CASE("multi-queue tap: closed under traffic, nothing is left") {
  auto scene = Scene::create(2);
  if (!scene) return;
  {
    Network network(*scene, 2);
    for (int round = 0; round < 10; ++round) network.sendRound();
    CHECK(network.bench.engine->close() == 0);
  }
  CHECK_FALSE(scene->rtnetlink.link("lan0"));
}

TEST_CASE("multi-queue tap: its interface's end under traffic is said once; a new one brings it back") {
  auto scene = Scene::create(2);
  if (!scene) return;
  Network network(*scene, 2);
  EngineBench& bench = network.bench;
  for (std::size_t end = 1; end <= 3; ++end) {
    const std::uint64_t before = network.received(*network.plain);
    bench.lookUntil([&] {
      network.sendRound();
      return network.received(*network.plain) > before + 10 * flows;
    });
    network.sendRound();
    REQUIRE(scene->rtnetlink.deleteLink(scene->tap.link.index));
    bench.lookUntil([&] { return bench.events.size() == end; });
    CHECK(bench.events.back().kind == EventKind::PortDown);
    CHECK(bench.events.back().port == network.tap);

    scene->open(2);
    scene->raise();
    auto [first, further] = portsOf(scene->tap);
    bench.settle(bench.engine->revive(network.tap, std::move(first), std::move(further)));
  }
  const std::uint64_t before = network.received(*network.shaped);
  bench.lookUntil([&] {
    network.sendRound();
    return network.received(*network.shaped) > before + 10 * flows;
  });
  bench.settle(bench.engine->latest());
  CHECK(bench.events.size() == 3);
  network.ordered();
  network.balanced();
}
