// What an attack on a worker does to those who have no part in it: a pair of ports that send each other
// frames on the attackers' worker, one on another worker, and one across. None of their frames is lost, and
// between two services of a port that is ready its worker does no more for others than SECURITY.md says.
// docs/reference/security.md has the list of attacks; those that take JavaScript are in test/fabric/innocent.test.ts.
#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <functional>

#include "engine_fixtures.hpp"
#include "fabrics/switch.hpp"
#include "os/socket_pair.hpp"
#include "port_fixtures.hpp"
#include "ports/datagram_port.hpp"
#include "ports/generator_port.hpp"
#include "ports/patch_port.hpp"
#include "ports/sink_port.hpp"
#include "ports/stream_port.hpp"
#include "super_frame_fixtures.hpp"

using namespace etherloom;

namespace {

using Address = std::array<std::uint8_t, 6>;
constexpr Address everybody{0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
constexpr Address attacker(std::uint8_t number) { return {0x02, 0xbb, 0, 0, 0, number}; }
constexpr Address innocent(std::uint8_t number) { return {0x02, 0xaa, 0, 0, 0, number}; }

/// What others may have of a worker between two services of a port.
struct Share {
  std::uint64_t turns, frames, length, calls;  ///< `length`: bytes of the longest frame
};

/// Sends its peer numbered frames, some in every turn, and knows them again.
class Innocent final : public Port {
 public:
  static constexpr unsigned atOnce = 4;
  static constexpr std::uint32_t length = 60;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  static constexpr std::uint64_t count = 500;  // a sanitizer needs each way that code takes once
#else
  static constexpr std::uint64_t count = 5000;
#endif

  Innocent(const Address& own, const Address& peer) : Port(1518), own_(own), peer_(peer) {}

  /// On its worker. `meanwhile` runs before each service: what keeps an attack going.
  void begin(const Worker& worker, std::function<void()> meanwhile) {
    worker_ = &worker;
    meanwhile_ = std::move(meanwhile);
    announce(key_);
  }

  Result<void> open(Io&, PortKey key) override {
    key_ = key;
    return {};
  }
  RxState receive(RxBurst& burst) noexcept override {
    if (!worker_) return RxState::Drained;
    noteWait();
    meanwhile_();
    for (unsigned index = 0; index < atOnce && sent_ < count && burst.room() > 0; ++index) {
      Bytes bytes(length);
      std::copy(peer_.begin(), peer_.end(), bytes.begin());
      std::copy(own_.begin(), own_.end(), bytes.begin() + 6);
      std::memcpy(bytes.data() + 14, &sent_, sizeof sent_);
      burst.copyIn(bytes);  // or the frame is lost
      ++sent_;
    }
    if (sent_ < count) return RxState::More;
    finished.store(true, std::memory_order_release);
    return RxState::Drained;
  }
  void transmit(std::span<const TxItem> items) noexcept override {
    for (const TxItem& item : items) {
      const std::uint8_t* const bytes = item.frame->data;
      if (std::equal(peer_.begin(), peer_.end(), bytes + 6)) {
        std::uint64_t number;
        std::memcpy(&number, bytes + 14, sizeof number);
        inOrder = inOrder && number == received.load(std::memory_order_relaxed);
        received.fetch_add(1, std::memory_order_release);
      }
      sent(item);
    }
  }
  void close(Io&) noexcept override {}

  /// Once `finished`: that others had no more between two services than this and what such a pair sends
  /// itself.
  void checkLongest(const Share& others) const {
    const std::uint64_t frames = others.frames + 4 * atOnce;  // two that send, two that are sent to
    CHECK(longest_.turns == 1);
    CHECK(longest_.frames <= frames);
    CHECK(longest_.bytes <= frames * std::max<std::uint64_t>(others.length, length));
    CHECK(longest_.calls <= others.calls + 1);  // one is the worker's own
  }

  std::atomic<bool> finished{false};
  std::atomic<std::uint64_t> received{0};
  std::atomic<bool> inOrder{true};

 private:
  /// A worker counts at the end of each turn, and serves a port once in a turn: so what it has done between
  /// two services is what one turn cost.
  void noteWait() noexcept {
    const Work now = worker_->work();
    if (served_) {
      longest_.turns = std::max(longest_.turns, now.turns - last_.turns);
      longest_.frames = std::max(longest_.frames, now.frames - last_.frames);
      longest_.bytes = std::max(longest_.bytes, now.bytes - last_.bytes);
      longest_.calls = std::max(longest_.calls, now.calls - last_.calls);
    }
    served_ = true;
    last_ = now;
  }

  const Address own_, peer_;
  PortKey key_;
  const Worker* worker_ = nullptr;
  std::function<void()> meanwhile_;
  std::uint64_t sent_ = 0;
  bool served_ = false;
  Work last_;     // what the worker had done then
  Work longest_;  // between two services, each number by itself
};

/// A device that hands in what `make` puts into frames, as many as it is asked for.
class Hostile final : public Port {
 public:
  /// Fills the frame; false for one that is dropped as bad-offload.
  using Make = std::function<bool(Frame&, std::uint64_t number)>;
  Hostile(BufferClass bufferClass, Make make)
      : Port(1518), bufferClass_(bufferClass), make_(std::move(make)) {}

  Result<void> open(Io&, PortKey key) override {
    key_ = key;
    return {};
  }
  /// On its worker: begins, and does not end.
  void run() {
    running_ = true;
    announce(key_);
  }
  RxState receive(RxBurst& burst) noexcept override {
    for (unsigned tried = 0; running_ && tried < burstSize && burst.room() > 0; ++tried) {
      Frame* frame = pool().acquire(bufferClass_);
      if (!frame) break;  // they come back
      if (make_(*frame, number_++)) {
        burst.add(frame);
      } else {
        burst.drops.add(DropReason::BadOffload, 1);
        pool().release(frame);
      }
    }
    return running_ ? RxState::More : RxState::Drained;
  }
  void transmit(std::span<const TxItem> items) noexcept override { sent(items); }
  void close(Io&) noexcept override {}

 private:
  const BufferClass bufferClass_;
  const Make make_;
  PortKey key_;
  std::uint64_t number_ = 0;
  bool running_ = false;
};

/// A FIFO that nobody reads, though somebody could.
struct ClosedEar {
  ClosedEar() {
    REQUIRE(mkdtemp(directory.data()));
    REQUIRE(mkfifo(path().c_str(), 0600) == 0);
    reader = Fd(::open(path().c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    REQUIRE(reader);
  }
  ~ClosedEar() {
    unlink(path().c_str());
    rmdir(directory.c_str());
  }
  [[nodiscard]] std::string path() const { return directory + "/fifo"; }

  std::string directory = "/tmp/etherloom-test-XXXXXX";
  Fd reader;
};

struct Arena;

/// One attack, from worker 0.
struct Attack {
  const char* name;
  void (*begin)(Arena&);
  /// What shows that it is under way.
  std::uint64_t (*evidence)(Arena&);
  /// What attackers may have between two services of another port, at most: frames received and sent, bytes
  /// of the longest of them, system calls; and copies that come to a worker which is not theirs.
  struct {
    std::uint64_t frames, length, calls, copiesThere = 0;
  } share;
  std::uint64_t enough = 1;        ///< of the evidence, before the innocent begin
  std::size_t memory = 16u << 20;  ///< of the engine
  bool onTheirSwitch = false;      ///< the innocent are on the attackers' fabric
};

struct Pair {
  Innocent *left = nullptr, *right = nullptr;
  PortId leftId{}, rightId{};
};

struct Arena {
  static constexpr std::uint16_t workers = 2;

  Arena(const Attack& attack, IoKind io) : bench(options(attack, io)) {}
  ~Arena() {
    if (running) bench.settle(bench.engine->endCapture(*running));
  }

  static EngineOptions options(const Attack& attack, IoKind io) {
    EngineOptions options;
    options.workers = workers;
    options.memory = attack.memory;
    options.io = io;
    return options;
  }

  template <typename Kind>
  PortId attach(FabricId fabric, std::unique_ptr<Kind> port, std::uint16_t worker = 0) {
    const auto id = bench.engine->attach(fabric, "port" + std::to_string(named++), std::move(port), worker);
    REQUIRE(id);
    return *id;
  }
  FabricId newSwitch() {
    return bench.engine->addFabric("switch" + std::to_string(named++),
                                   std::make_unique<Switch>(SwitchSettings{}), true);
  }
  void sinks(FabricId fabric, unsigned count, std::uint16_t worker = 0) {
    for (unsigned index = 0; index < count; ++index) {
      const PortId sink = attach(fabric, std::make_unique<SinkPort>(), worker);
      if (index == 0) target = sink;
    }
  }
  /// Sends broadcasts without end, from now on.
  PortId flood(FabricId fabric, std::uint32_t length = 60) {
    auto made = std::make_unique<GeneratorPort>(
        GeneratorPort::Settings{.length = length, .source = attacker(1), .destination = everybody});
    GeneratorPort* const generator = made.get();
    const PortId id = attach(fabric, std::move(made));
    starts.push_back([generator] { generator->run(true); });
    return id;
  }
  PortId source(FabricId fabric, BufferClass bufferClass, Hostile::Make make) {
    auto made = std::make_unique<Hostile>(bufferClass, std::move(make));
    Hostile* const device = made.get();
    const PortId id = attach(fabric, std::move(made));
    starts.push_back([device] { device->run(); });
    return id;
  }
  /// A port of a socket, whose peer writes these bytes whenever there is room for them, and reads nothing.
  PortId stream(FabricId fabric, std::vector<std::uint8_t> bytes) {
    auto [own, peer] = *socketPair(SOCK_STREAM);
    const PortId id =
        attach(fabric, std::make_unique<StreamPort>(std::move(own), *StreamFraming::find("stream"), 1518u));
    if (!bytes.empty()) feed(peer.get(), std::move(bytes), false);
    peers.push_back(std::move(peer));
    return id;
  }
  PortId datagrams(FabricId fabric, std::vector<std::uint8_t> bytes) {
    auto [own, peer] = *socketPair(SOCK_DGRAM);
    DatagramPort::Settings settings;
    settings.connected = true;
    settings.limit = 1518;
    const PortId id = attach(fabric, std::make_unique<DatagramPort>(std::move(own), std::move(settings)));
    feed(peer.get(), std::move(bytes), true);
    peers.push_back(std::move(peer));
    return id;
  }
  /// `whole`: each write is one message. Else what the socket did not take of one write comes first in the
  /// next.
  void feed(int peer, std::vector<std::uint8_t> bytes, bool whole) {
    feeds.push_back([peer, whole, bytes = std::move(bytes), at = std::size_t{0}]() mutable {
      for (;;) {
        const ssize_t taken = send(peer, bytes.data() + at, bytes.size() - at, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (taken < 0) return;
        at = whole ? 0 : (at + static_cast<std::size_t>(taken)) % bytes.size();
      }
    });
  }
  /// A cable between two fabrics. The fabric's ends.
  std::pair<PortId, PortId> cable(FabricId left, FabricId right) {
    auto one = std::make_unique<PatchPort>(1518u), other = std::make_unique<PatchPort>(1518u);
    PatchPort *const here = one.get(), *const there = other.get();
    const std::pair ends{attach(left, std::move(one)), attach(right, std::move(other))};
    bench.engine->order(0, [=](Worker&) { PatchPort::join(*here, *there); });
    return ends;
  }
  Pair pair(FabricId fabric, std::uint16_t from, std::uint16_t to) {
    Pair made;
    const Address one = innocent(addresses++), other = innocent(addresses++);
    auto left = std::make_unique<Innocent>(one, other), right = std::make_unique<Innocent>(other, one);
    made.left = left.get(), made.right = right.get();
    made.leftId = attach(fabric, std::move(left), from);
    made.rightId = attach(fabric, std::move(right), to);
    return made;
  }
  void begin() {
    bench.settle(bench.engine->latest());
    bench.engine->order(0, [this](Worker&) {
      for (const auto& start : starts) start();
      keepOn();
    });
  }
  /// On worker 0.
  void keepOn() {
    for (auto& each : feeds) each();
  }
  /// Has these pairs send all their frames, and waits until they are where they go.
  void exchange(const std::vector<Pair>& pairs) {
    for (const Pair& pair : pairs) {
      const auto starting = [this](PortId id, Innocent* port, std::function<void()> meanwhile) {
        bench.engine->order(bench.engine->workerOf(id), [=](Worker& its) { port->begin(its, meanwhile); });
      };
      starting(
          pair.leftId, pair.left,
          bench.engine->workerOf(pair.leftId) == 0 ? std::function<void()>([this] { keepOn(); }) : nothing);
      starting(pair.rightId, pair.right, nothing);
    }
    bench.lookUntil([&] {
      return std::all_of(pairs.begin(), pairs.end(),
                         [](const Pair& pair) { return pair.left->finished && pair.right->finished; });
    });
    bench.settle(bench.engine->fence([] {}));  // what was on its way between workers
  }
  void capture(const std::vector<Pair>& pairs) {
    std::vector<CaptureTarget> targets;
    const auto add = [&](PortId port) {
      targets.push_back({port, {}, Listener::Kind::Frames, {std::to_string(targets.size()), "", ""}});
    };
    add(hostile);
    add(target);
    for (const Pair& pair : pairs) add(pair.leftId), add(pair.rightId);
    auto output = Output::file(ear->path());
    REQUIRE(output);
    CaptureSettings settings;
    settings.buffer = 64 << 10;
    running = *bench.engine->startCapture(settings, std::move(*output), targets);
  }
  /// What the attacker has sent.
  [[nodiscard]] std::uint64_t done() const {
    const PortSnapshot port = of(hostile);
    return port.receivedFrames + droppedIn(port.dropped);
  }
  [[nodiscard]] std::uint64_t dropped(PortId port, DropReason reason) const {
    return bench.engine->portSnapshot(port).dropped[static_cast<std::size_t>(reason)];
  }
  [[nodiscard]] PortSnapshot of(PortId port) const { return bench.engine->portSnapshot(port); }

  std::vector<Fd> peers;
  std::vector<std::function<void()>> starts, feeds;
  std::unique_ptr<ClosedEar> ear;
  std::optional<CaptureId> running;
  const std::function<void()> nothing{[] {}};
  EngineBench bench;  // ends before what its ports use
  PortId hostile{}, target{};
  FabricId theirs{};
  unsigned named = 0;
  std::uint8_t addresses = 1;
};

std::vector<std::uint8_t> recordOf(std::uint32_t length) {
  std::vector<std::uint8_t> record(StreamFraming::find("stream")->prefix + length);
  writeBig32(record.data(), length);
  return record;
}

void put(Frame& frame, const Bytes& bytes) {
  std::copy(bytes.begin(), bytes.end(), frame.data);
  frame.length = static_cast<std::uint32_t>(bytes.size());
}

Hostile::Make superFrames(std::size_t segment) {
  const IpFrame shape{.payload = 65'000};
  Bytes bytes = shape.build();
  bytes[0] = 0xff;
  return [bytes, claims = claimsOf(shape, segment)](Frame& frame, std::uint64_t) {
    put(frame, bytes);
    return acceptOffload(frame, claims);
  };
}

/// A burst to everybody, and one that its switch sends to nobody, in turn.
bool alternating(Frame& frame, std::uint64_t number) {
  const bool across = number / burstSize % 2 == 0;
  Bytes bytes(60);
  const Address from = attacker(2);
  const Address to = across ? everybody : from;
  std::copy(to.begin(), to.end(), bytes.begin());
  std::copy(from.begin(), from.end(), bytes.begin() + 6);
  put(frame, bytes);
  return true;
}

/// A frame to everybody from a source that the number stands for.
bool fromSource(Frame& frame, std::uint64_t number) {
  Bytes bytes(60);
  std::fill_n(bytes.begin(), 6, std::uint8_t{0xff});
  bytes[6] = 0x02;
  for (std::size_t at = 7; at < 12; ++at, number >>= 8) bytes[at] = static_cast<std::uint8_t>(number);
  put(frame, bytes);
  return true;
}

const std::uint64_t smallestSegments = 65'000 / 8;
const unsigned floods = 8;

const Attack attacks[]{
    {.name = "a flood",
     .begin =
         [](Arena& arena) {
           const FabricId hub = arena.bench.hub();
           arena.sinks(hub, 1);
           arena.hostile = arena.flood(hub);
         },
     .evidence = [](Arena& arena) { return arena.of(arena.target).transmittedFrames; },
     .share = {2 * burstSize, 60, 0}},
    {.name = "a flood to 1,000 sinks",
     .begin =
         [](Arena& arena) {
           const FabricId hub = arena.bench.hub();
           arena.sinks(hub, 1000);
           arena.hostile = arena.flood(hub);
         },
     .evidence = [](Arena& arena) { return arena.of(arena.target).transmittedFrames; },
     .share = {4 * 1001, 60, 0}},
    {.name = "a flood to 1,000 sinks, with bursts between to nobody",
     .begin =
         [](Arena& arena) {
           const FabricId their = arena.newSwitch();
           arena.sinks(their, 1000);
           arena.hostile = arena.source(their, BufferClass::Small, alternating);
         },
     .evidence = [](Arena& arena) { return arena.of(arena.target).transmittedFrames; },
     .share = {4 * 1001, 60, 0}},
    {.name = "runts",
     .begin =
         [](Arena& arena) {
           const FabricId hub = arena.bench.hub();
           arena.sinks(hub, 1);
           arena.hostile = arena.datagrams(hub, std::vector<std::uint8_t>(13));
         },
     .evidence = [](Arena& arena) { return arena.dropped(arena.hostile, DropReason::Runt); },
     .share = {0, 0, 1}},
    {.name = "empty records",
     .begin =
         [](Arena& arena) {
           const FabricId hub = arena.bench.hub();
           arena.sinks(hub, 1);
           arena.hostile = arena.stream(hub, recordOf(0));
         },
     .evidence = [](Arena& arena) { return arena.dropped(arena.hostile, DropReason::Runt); },
     .share = {0, 0, StreamPort::readsPerTurn}},
    {.name = "frames longer than the limit, in a stream",
     .begin =
         [](Arena& arena) {
           const FabricId hub = arena.bench.hub();
           arena.sinks(hub, 1);
           arena.hostile = arena.stream(hub, recordOf(streamFrameLimit));
         },
     .evidence = [](Arena& arena) { return arena.dropped(arena.hostile, DropReason::Oversize); },
     .share = {0, 0, StreamPort::readsPerTurn}},
    {.name = "super-frames in the smallest segments",
     .begin =
         [](Arena& arena) {
           const FabricId hub = arena.bench.hub();
           arena.sinks(hub, 1);
           arena.hostile = arena.source(hub, BufferClass::Large, superFrames(8));
         },
     .evidence = [](Arena& arena) { return arena.of(arena.target).transmittedFrames; },
     .share = {2 * (burstWireFrames + smallestSegments), 74, 0}},
    {.name = "super-frames in segments of one byte",
     .begin =
         [](Arena& arena) {
           const FabricId hub = arena.bench.hub();
           arena.sinks(hub, 1);
           arena.hostile = arena.source(hub, BufferClass::Large, superFrames(1));
         },
     .evidence = [](Arena& arena) { return arena.dropped(arena.hostile, DropReason::BadOffload); },
     .share = {0, 0, 0}},
    {.name = "a reader that never reads",
     .begin =
         [](Arena& arena) {
           const FabricId hub = arena.bench.hub();
           arena.target = arena.stream(hub, {});
           arena.hostile = arena.flood(hub, 1514);
         },
     .evidence = [](Arena& arena) { return arena.dropped(arena.target, DropReason::PortFull); },
     .share = {2 * burstSize, 1514, 3}},
    {.name = "random sources at their switch",
     .begin =
         [](Arena& arena) {
           arena.theirs = arena.newSwitch();
           arena.sinks(arena.theirs, 1);
           arena.hostile =
               arena.source(arena.theirs, BufferClass::Small, [](Frame& frame, std::uint64_t number) {
                 return fromSource(frame, number * 0x9e3779b97f4a7c15);
               });
         },
     .evidence = [](Arena& arena) { return arena.of(arena.target).transmittedFrames; },
     .share = {5 * burstSize, 60, 0},
     .enough = 20'000,
     .onTheirSwitch = true},
    {.name = "flapping addresses at their switch",
     .begin =
         [](Arena& arena) {
           arena.theirs = arena.newSwitch();
           const auto few = [](Frame& frame, std::uint64_t number) {
             return fromSource(frame, number % burstSize);
           };
           arena.hostile = arena.source(arena.theirs, BufferClass::Small, few);
           arena.source(arena.theirs, BufferClass::Small, few);
         },
     .evidence =
         [](Arena& arena) {
           return static_cast<std::uint64_t>(
               std::count_if(arena.bench.events.begin(), arena.bench.events.end(),
                             [](const Event& event) { return event.kind == EventKind::AddressMoved; }));
         },
     .share = {9 * burstSize, 60, 0},
     .enough = 1000,
     .onTheirSwitch = true},
    {.name = "a loop of two switches and two wires",
     .begin =
         [](Arena& arena) {
           const FabricId one = arena.newSwitch(), other = arena.newSwitch();
           arena.target = arena.cable(one, other).first;
           arena.cable(one, other);
           arena.hostile = arena.flood(one);
         },
     .evidence = [](Arena& arena) { return droppedIn(arena.of(arena.target).dropped); },
     .share = {(3 + 2 + 4 + 4) * burstSize, 60, 0},
     .enough = 20'000},
    {.name = "100,000 frames that wait on delayed paths",
     .begin =
         [](Arena& arena) {
           const FabricId hub = arena.bench.hub();
           arena.hostile = arena.flood(hub);
           auto slow = makePolicy();
           slow->travel.delay = Duration{3'600'000'000'000};
           std::vector<PathChange> changes;
           for (unsigned index = 0; index < 16; ++index) {
             const PortId sink = arena.attach(hub, std::make_unique<SinkPort>());
             changes.push_back({arena.hostile, sink, slow, {}});
             if (index == 0) arena.target = sink;
           }
           arena.bench.settle(arena.bench.engine->apply(hub, changes, false)->ticket);
         },
     .evidence =
         [](Arena& arena) {
           return 16 * arena.bench.engine->pathSnapshot(arena.hostile, arena.target)->inFlight;
         },
     .share = {burstSize, 60, 0},
     .enough = 100'000,
     .memory = 128u << 20},
    {.name = "a flood to another worker",
     .begin =
         [](Arena& arena) {
           const FabricId hub = arena.bench.hub();
           arena.sinks(hub, 40, 1);
           arena.hostile = arena.flood(hub);
         },
     .evidence = [](Arena& arena) { return arena.of(arena.target).transmittedFrames; },
     .share = {burstSize, 60, 0, Worker::ringSize}},
    {.name = "floods to another worker, with bursts between that stay",
     .begin =
         [](Arena& arena) {
           for (unsigned index = 0; index < floods; ++index) {
             const FabricId their = arena.newSwitch();
             arena.sinks(their, Worker::burstCopies / burstSize, 1);
             arena.hostile = arena.source(their, BufferClass::Small, alternating);
           }
         },
     .evidence = [](Arena& arena) { return arena.of(arena.target).transmittedFrames; },
     .share = {floods * burstSize, 60, 0, Worker::ringSize}},
    {.name = "captures of all ports that nobody reads",
     .begin =
         [](Arena& arena) {
           const FabricId hub = arena.bench.hub();
           arena.sinks(hub, 1);
           arena.hostile = arena.flood(hub);
           arena.ear = std::make_unique<ClosedEar>();
         },
     .evidence = [](Arena& arena) { return arena.of(arena.target).transmittedFrames; },
     .share = {2 * burstSize, 60, 0}},
};

}  // namespace

TEST_CASE("innocent ports lose nothing to an attack, and wait for no more than a turn's budget") {
  const IoKind io = eachIo() == BenchIo::Epoll ? IoKind::Epoll : IoKind::Best;
  for (const Attack& attack : attacks) {
    INFO(std::string(attack.name));
    Arena arena(attack, io);
    attack.begin(arena);
    const FabricId near = attack.onTheirSwitch ? arena.theirs : arena.bench.hub();
    const Pair here = arena.pair(near, 0, 0), there = arena.pair(arena.bench.hub(), 1, 1),
               across = arena.pair(arena.bench.hub(), 0, 1);
    if (arena.ear) arena.capture({here, there, across});
    arena.begin();
    arena.bench.lookUntil([&] { return attack.evidence(arena) >= attack.enough; });
    const std::uint64_t before = arena.done();

    arena.exchange({here, there});
    for (const Innocent* port : {here.left, here.right})
      port->checkLongest({1, attack.share.frames, attack.share.length, attack.share.calls});
    for (const Innocent* port : {there.left, there.right})
      port->checkLongest({1, attack.share.copiesThere, attack.share.length, 0});
    arena.exchange({across});
    CHECK(arena.done() > before);  // it did not end meanwhile

    for (const Pair& pair : {here, there, across}) {
      for (const Innocent* port : {pair.left, pair.right}) {
        CHECK(port->received.load() == Innocent::count);
        CHECK(port->inOrder.load());
      }
    }
  }
}
