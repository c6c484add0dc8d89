// What devices hand in, with the virtio-net headers that TAPs and packet sockets have before their frames,
// through a whole engine on a virtual clock: a switch or a hub, VLANs, filters, impairments, lines, delays,
// and a patch to a second fabric.
//
// The input: 14 bytes of settings, see Network, then operations, see step(). A frame comes raw, or as one
// that is well made and then damaged in a few places, so that many get far. The oracle is the sums: of every
// path and at every moment offered + duplicated = delivered + dropped + waiting + in flight; what devices
// were given is what ports have transmitted; what they handed in was received or dropped; in the end nothing
// is under way and every buffer is back. And each frame is one that its device said it takes, with a header
// that agrees.
#include <deque>
#include <memory>
#include <string>

#include "fabrics/hub.hpp"
#include "fabrics/switch.hpp"
#include "frame/offload.hpp"
#include "lines/codel.hpp"
#include "lines/red.hpp"
#include "ports/patch_port.hpp"
#include "runtime/engine.hpp"
#include "target.hpp"

// Its Bytes would be shadowed by what lines call a limit.
#include "../frame_fixtures.hpp"
#include "../impairment_fixtures.hpp"

using namespace etherloom;
using namespace etherloom::fuzz;

namespace {

struct Received {
  VirtioHeader claims;
  Bytes bytes;
};

/// Hands in frames as TapPort does, and looks at what it is given.
class Device final : public Port {
 public:
  explicit Device(Offloads offloads) : Port(1518, offloads) {}

  Result<void> open(Io&, PortKey key) override {
    key_ = key;
    return {};
  }
  void give(Received frame) {
    waiting_.push_back(std::move(frame));
    announce(key_);
  }
  RxState receive(RxBurst& burst) noexcept override {
    for (; !waiting_.empty() && burst.room() > 0; waiting_.pop_front()) {
      const auto& [claims, bytes] = waiting_.front();
      Frame* frame = pool().copyIn(bytes);
      if (!frame) {
        burst.drops.add(DropReason::NoBuffer, 1);
      } else if (!acceptOffload(*frame, claims)) {
        burst.drops.add(DropReason::BadOffload, 1);
        pool().release(frame);
      } else {
        accepted += frame->offload.segments;
        burst.add(frame);
      }
    }
    return waiting_.empty() ? RxState::Drained : RxState::More;
  }
  void transmit(std::span<const TxItem> items) noexcept override {
    for (const TxItem& item : items) {
      const Frame& frame = *item.frame;
      const Offload& offload = frame.offload;
      VirtioHeader header;
      std::memcpy(&header, frame.data - virtioHeaderLength, sizeof header);
      require(header.flags == offload.flags && header.gsoType == offload.gsoType &&
              header.headerLength == offload.headerLength && header.gsoSize == offload.gsoSize &&
              header.csumStart == offload.csumStart && header.csumOffset == offload.csumOffset);
      require(frame.length >= ethernetHeaderLength && takesAsIs(frame));
      require(isSuperFrame(frame) || offload.segments == 1);
      sum_ = naiveSum({frame.data, frame.length}, sum_);  // all of it is there to read
      if (exceedsLimit(frame)) {
        dropped(item, DropReason::Oversize);
      } else {
        transmitted += offload.segments;
        sent(item);
      }
    }
  }
  void close(Io&) noexcept override {}
  [[nodiscard]] bool virtualClock() const noexcept override { return true; }

  std::uint64_t accepted = 0, transmitted = 0;  // wire frames

 private:
  std::deque<Received> waiting_;
  PortKey key_;
  unsigned sum_ = 0;
};

PathFilter filterOf(unsigned wish) {
  static const auto make = [](std::initializer_list<FilterInstruction> program) {
    return *FilterProgram::verify(std::span(program.begin(), program.size()));
  };
  static const FilterProgram oddIdentification = make({{0x30, 0, 0, 19}, {0x54, 0, 0, 1}, {0x16, 0, 0, 0}});
  static const FilterProgram ipv6 =
      make({{0x28, 0, 0, 12}, {0x15, 0, 1, 0x86dd}, {6, 0, 0, 1}, {6, 0, 0, 0}});
  static const FilterProgram isShort =
      make({{0x80, 0, 0, 0}, {0x25, 0, 1, 200}, {6, 0, 0, 0}, {6, 0, 0, 1}});  // at most 200 bytes
  PathFilter filter;
  if (wish % 4 == 1) filter.require(oddIdentification);
  if (wish % 4 == 2) filter.drop(ipv6);
  if (wish % 4 == 3) filter.require(isShort);
  if (wish & 4) filter.drop(oddIdentification);
  return filter;
}

std::shared_ptr<Policy> policyOf(Input& input) {
  auto policy = std::make_shared<Policy>();
  const unsigned parts = input.byte(), impairments = input.byte(), line = input.byte(), travel = input.byte();
  policy->allowed = parts % 16 != 15;
  policy->filter = filterOf(parts >> 4);
  if (impairments & 1) policy->add(makeLoss(0.25));
  if (impairments & 2) policy->add(makeLoss(0.25, WhenLost::Mark));
  if (impairments & 4) policy->add(makeDuplicate(0.5));
  if (impairments & 8) policy->add(makeCorrupt(0.5));
  if (impairments & 16) policy->add(makeBitErrors(0.001));
  if (impairments & 32) policy->add(makeOutage(1e6, 4e5, 1e5));
  if (line & 1) {
    LineSettings& settings = policy->line.emplace();
    settings.rate = line & 2 ? 1'000'000 : line & 4 ? 0 : 1'000'000'000;
    settings.overhead = line & 8 ? 24 : -4;
    settings.limit = {static_cast<Limit::Unit>(line >> 4 & 3), line & 128 ? 5000u : 3u};
    if (line & 8) settings.burst = 3000;
    if (line & 128) settings.cells = {48, 8};
    if (travel & 1) settings.slots = {.delay = {100'000}, .spread = {50'000}, .frames = 2, .bytes = 4000};
    if (travel & 2) {
      if (line & 64)
        settings.discipline = std::make_shared<const Codel>(CodelSettings{});
      else
        settings.discipline = std::make_shared<const Red>(RedSettings{});
    }
  }
  if (travel & 4) policy->travel.delay = {300'000};
  if (travel & 8) policy->travel.jitter = {200'000};
  if (travel & 16) policy->travel.reorder = 0.3;
  if (travel & 32) policy->travel.gap = 3;
  if (travel & 64) {
    NetemSettings& netem = policy->netem.emplace();
    netem.limit = line & 16 ? 3 : 1000;
    netem.delay = {line & 32 ? 200'000 : 0};
    netem.jitter = line & 64 ? 100'000 : 0;
    netem.lossProbability = netem.duplicate = netem.corrupt = impairments << 24;
    netem.reorder = travel & 16 ? 1u << 30 : 0;
    netem.gap = travel & 32 ? 2 : 0;
    netem.rate = line & 128 ? 100'000 : 0;
  }
  return policy;
}

/// A frame as a sender would make it, or whatever bytes the input has.
Received frameOf(Input& input, bool raw, unsigned damages) {
  if (raw) {
    const auto claims = input.take<VirtioHeader>();
    const auto bytes = input.takeBytes(input.byte());
    if (bytes.empty()) return {claims, Bytes(1)};
    return {claims, Bytes(bytes.begin(), bytes.end())};
  }
  const unsigned shape = input.byte(), addresses = input.byte();
  IpFrame ip{.ip6 = (shape & 1) != 0,
             .tcp = (shape & 2) != 0,
             .ipOptions = (shape >> 4 & 1) * 8,
             .tcpOptions = (shape >> 5 & 1) * 12,
             .payload = input.take<std::uint16_t>() % 8192u};
  const auto gsoSize = input.take<std::uint16_t>();
  for (unsigned tag = 0; tag < (shape >> 2 & 3); ++tag)
    ip.tags.push_back(static_cast<std::uint16_t>(input.byte() % 4));
  if (shape & 64) ip.tcpFlags = 0xd9;
  Received made{
      {.flags = static_cast<std::uint8_t>(shape & 128 ? 0 : needsChecksum),
       .gsoType = static_cast<std::uint8_t>(gsoSize == 0 ? 0
                                            : !ip.tcp    ? 5
                                                         : (ip.ip6 ? 4 : 1) | (shape & 64 ? gsoEcn : 0)),
       .headerLength = static_cast<std::uint16_t>(ip.headerLength()),
       .gsoSize = gsoSize,
       .csumStart = static_cast<std::uint16_t>(ip.transportAt()),
       .csumOffset = static_cast<std::uint16_t>(ip.checksumAt() - ip.transportAt())},
      ip.build()};
  if (shape & 128 && gsoSize == 0) made.claims = {};
  made.bytes[5] = static_cast<std::uint8_t>(addresses % 5);
  made.bytes[11] = static_cast<std::uint8_t>(addresses / 5 % 5);
  if (addresses & 128) made.bytes[0] = 0xff;
  for (; damages > 0; --damages) {
    const auto at = input.take<std::uint16_t>();
    if (at & 0x8000)
      reinterpret_cast<std::uint8_t*>(&made.claims)[at % sizeof made.claims] = input.byte();
    else if (at & 0x4000)
      made.bytes.resize(std::max<std::size_t>(1, at % made.bytes.size()));
    else
      made.bytes[at % made.bytes.size()] = input.byte();
  }
  return made;
}

/// Three devices on one fabric, the third with all offloads; a fourth behind a patch.
class Network {
 public:
  explicit Network(Input& input) {
    EngineOptions options;
    options.seed = 7;
    options.memory = 4u << 20;
    options.clock = Clock::Kind::Virtual;
    engine_ = *Engine::create(options, [] {});
    const unsigned kinds = input.byte(), vlans = input.byte();
    near_ = engine_->addFabric("near", fabricOf(kinds & 1), !(kinds & 4));
    far_ = engine_->addFabric("far", fabricOf(kinds & 2), true);
    if (kinds & 8) {
      const std::uint16_t trunk[]{2, 3};
      for (unsigned port = 0; port < 4; ++port) {
        PortSettings settings;
        if (vlans >> port & 1) settings.delay = {50'000};
        if ((vlans & 3) == 3) settings.storm.perSecond = {vlans, 30, 0};
        if (vlans >> (4 + port) & 1)
          settings.vlans = std::make_shared<const PortVlans>(static_cast<std::uint16_t>(port % 3), trunk);
        engine_->expect(near_, "port" + std::to_string(port), settings);
      }
    }
    const Offloads some[]{Offloads::None, Offloads::Checksum, Offloads::Checksum | Offloads::Tso4,
                          Offloads::All};
    for (unsigned port = 0; port < 3; ++port)
      addDevice(near_, port == 2 ? Offloads::All : some[kinds >> (4 + 2 * port) & 3], port);
    auto left = std::make_unique<PatchPort>(1518u);
    auto right = std::make_unique<PatchPort>(1518u);
    PatchPort::join(*left, *right);
    ports_.push_back(*engine_->attach(near_, "port3", std::move(left), std::uint16_t{0}));
    ports_.push_back(*engine_->attach(far_, "right", std::move(right), std::uint16_t{0}));
    addDevice(far_, Offloads::None, 4);
    change(near_, 0, 1, policyOf(input), false);
    change(near_, 1, 3, policyOf(input), false);
    change(far_, 4, 5, policyOf(input), false);
  }

  void step(Input& input) {
    const unsigned what = input.byte();
    Device& device = *devices_[what & 3];
    switch (what >> 2 & 3) {
      case 0:
      case 1: {
        if (++frames_ > 64) return;
        Received frame = frameOf(input, (what >> 2 & 3) == 0, what >> 4 & 3);
        engine_->order(0, [&](Worker&) { device.give(std::move(frame)); });
        if (what & 64) engine_->advance({0});
        break;
      }
      case 2:
        engine_->advance({input.take<std::uint16_t>() * std::int64_t{1000}});
        break;
      default:
        change(near_, what & 1 ? 2u : 0u, what & 2 ? 3u : 1u, policyOf(input), (what & 16) != 0);
    }
    look();
  }

  void finish() {
    engine_->advance({3'600'000'000'000});
    look();
    for (const PathSnapshot& path : paths()) require(path.underWay() == 0);
    std::uint64_t delivered = 0, transmitted = 0;
    for (const PathSnapshot& path : paths()) delivered += path.delivered;
    for (const PortId port : ports_) transmitted += engine_->portSnapshot(port).transmittedFrames;
    require(delivered == transmitted);
    for (std::size_t index = 0; index < devices_.size(); ++index) {
      const PortSnapshot port = engine_->portSnapshot(ids_[index]);
      const auto droppedAs = [&](DropReason reason) {
        return port.dropped[static_cast<std::size_t>(reason)];
      };
      require(port.transmittedFrames == devices_[index]->transmitted);
      const std::uint64_t counted = port.receivedFrames + droppedAs(DropReason::Runt);
      require(devices_[index]->accepted >= counted &&
              devices_[index]->accepted <= counted + droppedAs(DropReason::Oversize));
    }
    require(engine_->close() == 0);
  }

 private:
  static std::unique_ptr<Fabric> fabricOf(unsigned learns) {
    if (learns) return std::make_unique<Switch>(SwitchSettings{.addresses = 4});
    return std::make_unique<Hub>();
  }
  void addDevice(FabricId fabric, Offloads offloads, unsigned number) {
    auto device = std::make_unique<Device>(offloads);
    devices_.push_back(device.get());
    ids_.push_back(*engine_->attach(fabric, "port" + std::to_string(number), std::move(device)));
    ports_.push_back(ids_.back());
  }
  void change(FabricId fabric, unsigned from, unsigned to, std::shared_ptr<const Policy> policy, bool flush) {
    const PathChange change{ports_[from], ports_[to], std::move(policy), {}};
    require(engine_->apply(fabric, {&change, 1}, flush).has_value());
  }
  /// Of every pair that has a policy, and of all others of each port together.
  [[nodiscard]] std::vector<PathSnapshot> paths() const {
    std::vector<PathSnapshot> all;
    for (const PortId from : ports_) {
      all.push_back(engine_->portSnapshot(from).defaults);
      for (const PortId to : ports_)
        if (const auto path = engine_->pathSnapshot(from, to)) all.push_back(*path);
    }
    return all;
  }
  void look() {
    engine_->poll([](const Event&) {});
    for (const PathSnapshot& path : paths()) {
      std::uint64_t dropped = 0;
      for (const std::uint64_t each : path.dropped) dropped += each;
      require(path.offered + path.duplicated == path.delivered + dropped + path.waiting + path.inFlight);
    }
  }

  std::unique_ptr<Engine> engine_;
  FabricId near_{}, far_{};
  std::vector<PortId> ports_, ids_;  // all, and those of devices
  std::vector<Device*> devices_;
  unsigned frames_ = 0;
};

void run(std::span<const std::uint8_t> bytes) {
  Input input(bytes);
  Network network(input);
  while (!input.empty()) network.step(input);
  network.finish();
}

const Target target("pipeline", run);

}  // namespace
