// Sources: what a worker polls beside the descriptors of its ports. The one here is a datagram socket that
// serves several ports at once, told apart by the first byte; nothing in native/ knows of it.
#include "ports/source.hpp"

#include <doctest/doctest.h>
#include <sys/socket.h>

#include <array>
#include <map>

#include "engine_fixtures.hpp"
#include "frame/chain.hpp"
#include "os/socket.hpp"

using namespace etherloom;

namespace {

class LabelPort;

/// One end of a pair of sockets. A datagram is a label, and a frame for the port that has it.
class LabelSource final : public Source {
 public:
  explicit LabelSource(int fd) : fd_(fd) {}

  Result<void> open(Io& io, PortKey key) override { return io.watch(key, fd_); }
  void ready() noexcept override { ready_ = true; }
  bool arm() noexcept override { return !ready_; }
  void poll() noexcept override;
  void close(Io& io) noexcept override { io.forget(fd_); }
  Instant due() const noexcept override { return due_; }

  std::map<std::uint8_t, LabelPort*> ports;  // the worker's
  std::atomic<unsigned> polls{0};

 private:
  const int fd_;
  bool ready_ = false;
  Instant due_ = Instant::never();
};

class LabelPort final : public Port {
 public:
  LabelPort(LabelSource& source, std::uint8_t label) : Port(1518), source_(source), label_(label) {}

  Result<void> open(Io&, PortKey key) override {
    key_ = key;
    source_.ports[label_] = this;
    return {};
  }
  void deliver(std::span<const std::uint8_t> bytes) noexcept {
    Frame* frame = pool().acquire(BufferClass::Small);
    if (!frame) return;
    std::memcpy(frame->data, bytes.data(), bytes.size());
    frame->length = static_cast<std::uint32_t>(bytes.size());
    inbox_.push(*frame);
    announce(key_);
  }
  RxState receive(RxBurst& burst) noexcept override {
    while (burst.room() > 0 && !inbox_.empty()) burst.add(inbox_.pop());
    return inbox_.empty() ? RxState::Drained : RxState::More;
  }
  void transmit(std::span<const TxItem> items) noexcept override { sent(items); }
  void close(Io&) noexcept override {
    source_.ports.erase(label_);
    while (Frame* frame = inbox_.pop()) pool().release(frame);
  }

 private:
  LabelSource& source_;
  const std::uint8_t label_;
  PortKey key_;
  Chain<Frame> inbox_;
};

void LabelSource::poll() noexcept {
  ++polls;
  if (!ready_) return;
  std::array<std::uint8_t, 1519> bytes;
  for (int datagrams = 0; datagrams < 64; ++datagrams) {
    const ssize_t got = recv(fd_, bytes.data(), bytes.size(), MSG_DONTWAIT);
    if (got <= 0) {
      ready_ = false;
      return;
    }
    if (const auto port = ports.find(bytes[0]); port != ports.end())
      port->second->deliver(std::span(bytes).subspan(1, static_cast<std::size_t>(got) - 1));
  }
}

}  // namespace

TEST_CASE("source: one descriptor serves many ports, on either Io, and its worker sleeps meanwhile") {
  for (const IoKind kind : {IoKind::Epoll, IoKind::Best}) {
    auto pair = socketPair(SocketType::Datagram);
    REQUIRE(pair);
    EngineOptions options;
    options.io = kind;
    EngineBench bench(options);
    bench.keepTags = false;
    const FabricId hub = bench.hub();
    const auto source = std::make_shared<LabelSource>((*pair)[0].get());
    bench.engine->addSource(0, source);
    EngineBench::Station& station = bench.join(hub);
    std::vector<PortId> ports;
    for (std::uint8_t label = 0; label < 3; ++label) {
      const auto port = bench.engine->attach(hub, "label" + std::to_string(label),
                                             std::make_unique<LabelPort>(*source, label), std::uint16_t{0});
      REQUIRE(port);
      ports.push_back(*port);
    }
    bench.settle(bench.engine->latest());
    constexpr std::uint64_t rounds = 100;
    for (std::uint64_t round = 1; round <= rounds; ++round) {
      for (std::uint8_t label = 0; label < 4; ++label) {  // the last has no port
        std::array<std::uint8_t, 61> datagram{};
        datagram[0] = label;
        std::fill_n(datagram.begin() + 1, 6, std::uint8_t{0xff});
        datagram[7] = 2;
        datagram[12] = label;
        REQUIRE(send((*pair)[1].get(), datagram.data(), datagram.size(), 0) == 61);
      }
      bench.lookUntil([&] { return station.frames == 3 * round; });
    }
    for (const PortId port : ports) CHECK(bench.engine->portSnapshot(port).receivedFrames == rounds);
    bench.settle(bench.engine->detach(ports[0]));
    CHECK(bench.engine->close() == 0);
  }
}

TEST_CASE("worker: what its turns have cost is counted in one place") {
  EngineOptions options;
  EngineBench bench(options);
  const FabricId hub = bench.hub();
  EngineBench::Station& sender = bench.join(hub);
  bench.join(hub);
  bench.join(hub);
  constexpr std::uint64_t frames = 100;
  for (std::uint32_t tag = 0; tag < frames; ++tag) REQUIRE(bench.send(sender, tag));
  bench.commit();
  bench.lookUntil([&] { return bench.engine->portSnapshot(sender.id).receivedFrames == frames; });
  bench.settle(bench.engine->fence([] {}));
  const Work work = bench.engine->work(0);
  CHECK(work.frames == 3 * frames);  // in once, out twice
  CHECK(work.bytes == 3 * frames * 60);
  CHECK(work.turns > 0);
  CHECK(work.calls > 0);
}
