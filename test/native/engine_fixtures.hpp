// An engine without JavaScript: memory ports whose far end is C++ on the test's thread, the control thread.
// Used by the tests of the engine and of what runs in it.
#pragma once

#include <doctest/doctest.h>

#include <chrono>
#include <condition_variable>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "fabrics/hub.hpp"
#include "impairments/impairment.hpp"
#include "ports/memory_port.hpp"
#include "runtime/engine.hpp"

namespace etherloom {

/// What workers ring when the control thread should look.
class Bell {
 public:
  void ring() {
    const std::lock_guard lock(mutex_);
    rung_ = true;
    condition_.notify_one();
  }
  /// Waits for a ring since the last wait, but not for long: counters change without one.
  void wait() {
    std::unique_lock lock(mutex_);
    condition_.wait_for(lock, std::chrono::milliseconds(10), [this] { return rung_; });
    rung_ = false;
  }

 private:
  std::mutex mutex_;
  std::condition_variable condition_;
  bool rung_ = false;
};

/// The far end of the bridge of one worker.
class FarEnd {
 public:
  static constexpr std::size_t size = 1 << 20;

  explicit FarEnd(Bell& bell)
      : inbound_(size / sizeof(Block)),
        outbound_(size / sizeof(Block)),
        bridge_(std::as_writable_bytes(std::span(inbound_)), std::as_writable_bytes(std::span(outbound_)),
                [&bell] { bell.ring(); }) {}

  [[nodiscard]] MemoryBridge& bridge() { return bridge_; }

  /// Writes one frame; the worker sees it after commit(). False when the ring is full.
  bool write(std::uint32_t port, std::span<const std::uint8_t> bytes) {
    const auto length = static_cast<std::uint32_t>(bytes.size());
    std::byte* place = bridge_.inbound.claim(written_, length);
    if (!place) return false;
    const RecordHead head{port, length, 0};
    std::memcpy(place, &head, sizeof head);
    std::memcpy(place + sizeof head, bytes.data(), bytes.size());
    return true;
  }
  void commit() { bridge_.inbound.publish(written_); }

  /// Calls `each(port, bytes, at)` for everything that was delivered, until nothing is left.
  template <typename Each>
  void drain(Each&& each) {
    do {
      const std::uint64_t published = bridge_.outbound.published();
      while (read_ != published) {
        RecordHead head;
        std::memcpy(&head, bridge_.outbound.at(read_), sizeof head);
        if (head.port == RecordHead::skip) {
          read_ += head.length;
          continue;
        }
        const auto* bytes = reinterpret_cast<const std::uint8_t*>(bridge_.outbound.at(read_) + sizeof head);
        each(head.port, std::span(bytes, head.length), Instant{head.at});
        read_ += ByteRing::recordSize(head.length);
      }
      bridge_.outbound.consume(read_);
    } while (!bridge_.rearm());
  }

 private:
  struct alignas(16) Block {
    std::byte bytes[16];
  };
  std::vector<Block> inbound_, outbound_;
  MemoryBridge bridge_;
  std::uint64_t written_ = 0;
  std::uint64_t read_ = 0;
};

/// An engine with a far end for every worker.
class EngineBench {
 public:
  /// A memory port, and what it has received.
  struct Station {
    PortId id{};
    std::uint32_t number = 0;
    std::uint16_t worker = 0;
    std::uint64_t frames = 0;
    std::vector<std::uint32_t> tags;  ///< filled while keepTags is set
    std::vector<Instant> times;
  };

  explicit EngineBench(const EngineOptions& options) {
    auto made = Engine::create(options, [this] { bell.ring(); });
    REQUIRE(made);
    engine = std::move(*made);
    for (std::uint16_t worker = 0; worker < engine->workers(); ++worker) {
      ends.push_back(std::make_unique<FarEnd>(bell));
      engine->addSource(worker, {std::shared_ptr<void>(), &ends.back()->bridge()});
    }
  }
  ~EngineBench() { CHECK(engine->close() == 0); }

  FabricId hub(bool forwarding = true) {
    return engine->addFabric("hub" + std::to_string(named_++), std::make_unique<Hub>(), forwarding);
  }

  /// Returns when the port is open, as `attach` does above: frames for it that cross to its worker before are
  /// dropped.
  Station& join(FabricId fabric, std::uint32_t quota = 1 << 20) {
    Station station;
    station.number = nextNumber_++;
    station.worker = engine->leastLoaded();
    auto port = std::make_unique<MemoryPort>(ends[station.worker]->bridge(), station.number, 1518, quota);
    auto id =
        engine->attach(fabric, "port" + std::to_string(station.number), std::move(port), station.worker);
    REQUIRE(id);
    station.id = *id;
    settle(engine->latest());
    return stations.emplace(station.number, std::move(station)).first->second;
  }
  void leave(Station& station) {
    settle(engine->detach(station.id));
    stations.erase(station.number);
  }

  /// Sends a frame of `length` bytes with this tag. False when the ring is full.
  bool send(const Station& station, std::uint32_t tag, std::uint32_t length = 60) {
    std::array<std::uint8_t, 1518> bytes{};
    std::fill_n(bytes.begin(), 6, std::uint8_t{0xff});
    bytes[6] = 2;
    bytes[11] = static_cast<std::uint8_t>(station.number);
    std::memcpy(bytes.data() + 14, &tag, sizeof tag);
    return ends[station.worker]->write(station.number, std::span(bytes).first(length));
  }
  void commit() {
    for (std::uint16_t worker = 0; worker < ends.size(); ++worker) {
      ends[worker]->commit();
      engine->isVirtual() ? ends[worker]->bridge().collect() : engine->nudge(worker);
    }
  }

  /// Takes in what was delivered, and what workers have to say.
  void look() {
    for (const auto& end : ends) {
      end->drain([this](std::uint32_t number, std::span<const std::uint8_t> bytes, Instant at) {
        const auto station = stations.find(number);
        if (station == stations.end()) return;
        ++station->second.frames;
        if (seen) seen(number, bytes);
        taken(station->second);
        if (!keepTags) return;
        std::uint32_t tag;
        std::memcpy(&tag, bytes.data() + 14, sizeof tag);
        station->second.tags.push_back(tag);
        station->second.times.push_back(at);
      });
    }
    engine->poll([this](const Event& event) { events.push_back(event); });
  }
  /// Looks whenever something happens, until `done()`. What has not happened after a minute hangs.
  template <typename Done>
  void lookUntil(Done&& done) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(1);
    for (look(); !done(); look()) {
      bell.wait();
      REQUIRE(std::chrono::steady_clock::now() < deadline);
    }
  }
  void settle(Ticket ticket) {
    lookUntil([&] { return engine->settled(ticket); });
  }

  Bell bell;
  std::unique_ptr<Engine> engine;
  std::vector<std::unique_ptr<FarEnd>> ends;
  std::map<std::uint32_t, Station> stations;
  std::vector<Event> events;
  bool keepTags = true;
  std::function<void(std::uint32_t station, std::span<const std::uint8_t> bytes)> seen;

 private:
  void taken(Station& station) { static_cast<MemoryPort&>(engine->port(station.id)).taken(1); }

  std::uint32_t nextNumber_ = 0;
  unsigned named_ = 0;
};

inline std::shared_ptr<Policy> makePolicy() { return std::make_shared<Policy>(); }

inline std::uint64_t droppedIn(const std::array<std::uint64_t, dropReasonCount>& drops) {
  std::uint64_t frames = 0;
  for (const std::uint64_t each : drops) frames += each;
  return frames;
}

/// offered + duplicated = delivered + dropped + waiting + in flight.
inline bool balances(const PathSnapshot& path) {
  return path.offered + path.duplicated ==
         path.delivered + droppedIn(path.dropped) + path.waiting + path.inFlight;
}

}  // namespace etherloom
