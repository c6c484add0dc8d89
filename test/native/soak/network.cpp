#include "network.hpp"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstring>

#include "fabrics/switch.hpp"
#include "os/socket_pair.hpp"
#include "policies.hpp"
#include "ports/datagram_port.hpp"
#include "ports/generator_port.hpp"
#include "ports/patch_port.hpp"
#include "ports/sink_port.hpp"
#include "ports/stream_port.hpp"

namespace etherloom::soak {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr std::uint32_t limit = 1518;
/// What has not happened by then hangs.
constexpr std::chrono::seconds patience{60};
constexpr std::uint64_t withoutEnd = std::uint64_t{1} << 40;

std::string nameOf(unsigned number) { return "port" + std::to_string(number); }

template <typename Value>
Value must(Result<Value> result, const char* what) {
  if (!result) throw Fault(std::string(what) + ": " + result.error().call + " " + result.error().message);
  return std::move(*result);
}

Fd unblocked(Fd fd) {
  if (fcntl(fd.get(), F_SETFL, O_NONBLOCK) != 0) throw Fault("fcntl O_NONBLOCK");
  return fd;
}

/// The framing of the streams; the same on both sides.
const StreamFraming& framing() { return *StreamFraming::find("stream"); }

std::unique_ptr<Port> datagramPort(Fd socket, SocketType type) {
  DatagramPort::Settings settings;
  settings.type = type;
  settings.connected = true;
  settings.limit = limit;
  return std::make_unique<DatagramPort>(std::move(socket), std::move(settings));
}

std::string sumsOf(const PathSnapshot& path) {
  return "offered " + std::to_string(path.offered) + " + duplicated " + std::to_string(path.duplicated) +
         ", delivered " + std::to_string(path.delivered) + " + dropped " +
         std::to_string(droppedIn(path.dropped)) + " + waiting " + std::to_string(path.waiting) +
         " + in flight " + std::to_string(path.inFlight);
}

}  // namespace

Network::Network(const Program& program) : program_(program), verdicts_(program.corrupts) {
  EngineOptions options;
  options.workers = program.workers;
  options.seed = program.seed;
  options.memory = program.memory * program.workers;
  options.io = program.epoll ? IoKind::Epoll : IoKind::Best;
  engine_ = must(Engine::create(options, [this] { bell_.ring(); }), "the engine");
  for (std::uint16_t worker = 0; worker < engine_->workers(); ++worker) {
    ends_.push_back(std::make_unique<FarEnd>(bell_));
    engine_->addSource(worker, {std::shared_ptr<void>(), &ends_.back()->bridge()});
  }
}

Network::~Network() {
  if (engine_) engine_->close();
}

void Network::close() {
  check();
  const std::size_t left = engine_->close();
  engine_.reset();
  if (left != 0)
    throw Fault(std::to_string(left) + " frames were still referenced when the engine had closed");
  if (const auto fault = verdicts_.fault()) throw Fault(*fault);
}

void Network::take(const Step& step) {
  Random random(step.seed);
  Seat* const seat = seatOf(step.port);
  switch (step.what) {
    case What::Fabric:
      addFabric(step, random);
      break;
    case What::Link:
      addLink(step, random);
      break;
    case What::Send:
      if (seat) send(*seat, random);
      break;
    case What::Storm:
      if (seat) run(*seat, true);
      break;
    case What::Calm:
      if (seat) run(*seat, false);
      break;
    case What::Apply:
      apply(step.fabric, random);
      break;
    case What::Configure:
      if (seat) engine_->configure(seat->id, drawSettings(random, places_.at(seat->fabric).vlans));
      break;
    case What::Carrier:
      if (seat) engine_->setCarrier(seat->id, seat->carrier = random.below(2) != 0);
      break;
    case What::Detach:
      if (seat) detach(step.port);
      break;
    case What::Remove:
      if (const auto place = places_.find(step.fabric); place != places_.end()) {
        for (const unsigned number : seatsOf(step.fabric)) detach(number);
        must(engine_->removeFabric(place->second.id), "removing a fabric");
        places_.erase(place);
      }
      break;
    case What::Break:
      if (seat) {
        fail(*seat);
        engine_->endDevice(seat->id);
      }
      break;
    case What::Revive:
      if (seat && !seat->up) revive(*seat, random);
      break;
    case What::Capture:
      capture(step, random);
      break;
    case What::EndCapture:
      endCapture(random);
      break;
    case What::Pass:
      pass({static_cast<std::int64_t>(random.below(10'000'000))});
      break;
    case What::Stop:
      rest(random);
      break;
    default:
      addPort(step, random);
  }
  if (random.below(4) == 0) settle(engine_->latest());
  look();
  check();
}

// ---- fabrics and ports ----

void Network::addFabric(const Step& step, Random& random) {
  Place place;
  const std::uint64_t kind = random.below(4);
  place.vlans = kind == 3;
  const std::string name = "fabric" + std::to_string(step.fabric);
  const bool forwarding = random.below(4) != 0;
  if (kind < 2) {
    place.id = engine_->addFabric(name, std::make_unique<Hub>(), forwarding);
  } else {
    SwitchSettings settings;
    if (random.below(3) == 0) settings.addresses = 4;
    if (random.below(3) == 0) settings.ageing = {5'000'000};
    place.id = engine_->addFabric(name, std::make_unique<Switch>(settings), forwarding);
  }
  places_.emplace(step.fabric, place);
}

void Network::addPort(const Step& step, Random& random) {
  if (!places_.contains(step.fabric) || seatOf(step.port)) return;
  Seat seat;
  seat.what = step.what;
  seat.fabric = step.fabric;
  switch (step.what) {
    case What::Probe: {
      seat.ledger = std::make_shared<Ledger>();
      seat.ledger->verdicts = &verdicts_;
      seat.ledger->station = step.port % 16;
      std::vector<std::unique_ptr<Port>> inlets =
          probesOf(seat, random.below(3) == 0 ? 1 + random.below(engine_->workers()) : 1, random);
      std::unique_ptr<Port> first = std::move(inlets.front());
      inlets.erase(inlets.begin());
      return attach(step.port, std::move(seat), std::move(first), random, {}, std::move(inlets));
    }
    case What::Generator: {
      GeneratorPort::Settings settings;
      settings.length = random.below(2) ? 60 : 1514;
      settings.source = station(step.port % 16);
      settings.destination = random.below(2) ? everybody : station(static_cast<unsigned>(random.below(16)));
      return attach(step.port, std::move(seat), std::make_unique<GeneratorPort>(settings), random);
    }
    case What::Memory: {
      seat.number = nextNumber_++;
      seat.worker = static_cast<std::uint16_t>(random.below(engine_->workers()));
      const std::uint32_t quota = random.below(3) == 0 ? 16 : 1 << 20;
      auto port = std::make_unique<MemoryPort>(ends_[seat.worker]->bridge(), seat.number, limit, quota);
      const std::uint16_t worker = seat.worker;
      attach(step.port, std::move(seat), std::move(port), random, worker);
      return settle(engine_->latest());  // what comes for a port before it is open is nobody's
    }
    case What::Outside: {
      seat.stream = random.below(2) == 0;
      auto port = outsideOf(seat, random);
      return attach(step.port, std::move(seat), std::move(port), random);
    }
    default:
      return attach(step.port, std::move(seat), std::make_unique<SinkPort>(), random);
  }
}

void Network::addLink(const Step& step, Random& random) {
  if (!places_.contains(step.fabric) || !places_.contains(step.otherFabric) || seatOf(step.port) ||
      seatOf(step.otherPort))
    return;
  std::unique_ptr<Port> left, right;
  std::optional<std::uint16_t> worker;
  const std::uint64_t kind = step.seed == 0 ? 0 : random.below(6);
  if (kind < 2) {
    left = std::make_unique<PatchPort>(limit), right = std::make_unique<PatchPort>(limit);
    worker = engine_->leastLoaded();
  } else {
    const int type = kind == 2 ? SOCK_STREAM : kind == 3 ? SOCK_SEQPACKET : SOCK_DGRAM;
    auto sockets = must(socketPair(type), "a pair of sockets");
    const auto port = [&](Fd socket) -> std::unique_ptr<Port> {
      if (kind == 2) return std::make_unique<StreamPort>(std::move(socket), framing(), limit);
      if (kind == 5) return std::make_unique<IoPort>(unblocked(std::move(socket)));
      return datagramPort(std::move(socket), kind == 3 ? SocketType::SeqPacket : SocketType::Datagram);
    };
    left = port(std::move(sockets[0])), right = port(std::move(sockets[1]));
  }
  PatchPort *const here = portAs<PatchPort>(*left), *const there = portAs<PatchPort>(*right);
  Seat one, other;
  one.what = other.what = What::Link;
  one.fabric = step.fabric, other.fabric = step.otherFabric;
  one.partner = step.otherPort, other.partner = step.port;
  attach(step.port, std::move(one), std::move(left), random, worker);
  attach(step.otherPort, std::move(other), std::move(right), random, worker);
  if (worker) engine_->order(*worker, [here, there](Worker&) { PatchPort::join(*here, *there); });
}

void Network::attach(unsigned number, Seat seat, std::unique_ptr<Port> port, Random& random,
                     std::optional<std::uint16_t> worker, std::vector<std::unique_ptr<Port>> further) {
  const Place& place = places_.at(seat.fabric);
  if (place.vlans || random.below(3) == 0)
    engine_->expect(place.id, nameOf(number), drawSettings(random, place.vlans));
  seat.id = must(engine_->attach(place.id, nameOf(number), std::move(port), worker, std::move(further)),
                 "attaching a port");
  seats_.insert_or_assign(number, std::move(seat));
}

std::vector<std::unique_ptr<Port>> Network::probesOf(Seat& seat, std::size_t inlets, Random& random) {
  std::vector<std::unique_ptr<Port>> probes;
  const Offloads offloads = random.below(3) == 0 ? Offloads::All : Offloads::None;
  seat.wishes.clear();
  for (; inlets > 0; --inlets) {
    Fd wishes(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    seat.wishes.emplace_back(fcntl(wishes.get(), F_DUPFD_CLOEXEC, 0));
    probes.push_back(std::make_unique<Probe>(seat.ledger, std::move(wishes), random.next(), offloads));
  }
  return probes;
}

std::unique_ptr<Port> Network::outsideOf(Seat& seat, Random& random) {
  auto [own, peer] = must(socketPair(seat.stream ? SOCK_STREAM : SOCK_DGRAM), "a pair of sockets");
  seat.peer = unblocked(std::move(peer));
  seat.unsent.clear();
  seat.decoder = seat.stream ? std::make_unique<StreamDecoder>(framing(), limit) : nullptr;
  const bool pad = seat.stream && random.below(3) == 0;
  if (seat.stream)
    return std::make_unique<StreamPort>(std::move(own), framing(), limit, pad && program_.corrupts);
  return datagramPort(std::move(own), SocketType::Datagram);
}

void Network::revive(Seat& seat, Random& random) {
  if (seat.what == What::Probe) {
    std::vector<std::unique_ptr<Port>> inlets = probesOf(seat, seat.wishes.size(), random);
    std::unique_ptr<Port> first = std::move(inlets.front());
    inlets.erase(inlets.begin());
    engine_->revive(seat.id, std::move(first), std::move(inlets));
  } else if (seat.what == What::Outside) {
    engine_->revive(seat.id, outsideOf(seat, random));
  } else if (seat.what == What::Sink) {
    engine_->revive(seat.id, std::make_unique<SinkPort>());
  } else {
    return;
  }
  seat.up = true;
}

void Network::detach(unsigned number) {
  const auto found = seats_.find(number);
  const Seat& seat = found->second;
  places_.at(seat.fabric).portsLeft = true;
  std::erase_if(before_, [id = seat.id](const auto& entry) {
    return entry.first.first == id || entry.first.second == id;
  });
  fail(found->second);
  engine_->detach(seat.id);
  seats_.erase(found);
}

/// Its device ends, and that of its partner perhaps with it.
void Network::fail(Seat& seat) {
  seat.failed = true;
  if (Seat* const partner = seat.partner ? seatOf(*seat.partner) : nullptr) partner->failed = true;
}

Network::Seat* Network::seatOf(unsigned number) {
  const auto found = seats_.find(number);
  return found == seats_.end() ? nullptr : &found->second;
}

std::vector<unsigned> Network::seatsOf(unsigned fabric) const {
  std::vector<unsigned> numbers;
  for (const auto& [number, seat] : seats_)
    if (seat.fabric == fabric) numbers.push_back(number);
  return numbers;
}

// ---- traffic ----

void Network::send(Seat& seat, Random& random) {
  static constexpr std::uint64_t counts[]{1, 10, 300, 3000};
  const std::uint64_t count = counts[random.below(std::size(counts))];
  if (seat.what == What::Memory) return sendToMemory(seat, random, std::min<std::uint64_t>(count, 300));
  if (seat.what == What::Outside) return sendFromOutside(seat, random, std::min<std::uint64_t>(count, 300));
  if (seat.what != What::Probe) return;
  seat.ledger->calm = false;
  const Fd& wish = seat.wishes[random.below(seat.wishes.size())];
  if (::write(wish.get(), &count, sizeof count) != sizeof count) throw Fault("a probe takes no wishes");
}

void Network::setNumbered(Numbered& frame, Random& random) {
  static constexpr std::uint32_t lengths[]{Numbered::shortest, 60, 150, 1514, 1518, 1600};
  frame.to = random.below(8) == 0 ? everybody : station(static_cast<unsigned>(random.below(16)));
  frame.from = station(static_cast<unsigned>(random.below(16)));
  frame.number = ++frames_;
  frame.length = lengths[random.below(std::size(lengths))];
}

void Network::sendToMemory(Seat& seat, Random& random, std::uint64_t count) {
  std::array<std::uint8_t, 2048> bytes;
  FarEnd& end = *ends_[seat.worker];
  for (; count > 0; --count) {
    Numbered frame;
    setNumbered(frame, random);
    const std::uint32_t length = write(frame, bytes.data());
    if (!end.write(seat.number, std::span(bytes).first(length))) break;  // the ring is full
    ++seat.given;
  }
  end.commit();
  engine_->nudge(seat.worker);
}

void Network::sendFromOutside(Seat& seat, Random& random, std::uint64_t count) {
  std::array<std::uint8_t, 2048> bytes;
  const std::size_t prefix = framing().prefix;
  for (; count > 0 && seat.peer; --count) {
    Numbered frame;
    setNumbered(frame, random);
    std::uint32_t length = write(frame, bytes.data() + prefix);
    if (random.below(64) == 0) length = static_cast<std::uint32_t>(random.below(14));  // a runt, or nothing
    if (!seat.stream) {
      if (::send(seat.peer.get(), bytes.data() + prefix, length, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) return;
      ++seat.given;
      continue;
    }
    if (seat.unsent.size() > 100'000) break;
    framing().write(bytes.data(), length);
    if (random.below(2000) == 0) {
      writeBig32(bytes.data(), ~0U);  // no stream of frames
      seat.failed = true;
    }
    seat.unsent.insert(seat.unsent.end(), bytes.begin(), bytes.begin() + prefix + length);
    ++seat.given;
  }
  read(seat);
}

void Network::run(Seat& seat, bool running) {
  if (seat.what == What::Generator)
    return engine_->orderPort(seat.id, [running](Port& port) { portAs<GeneratorPort>(port)->run(running); });
  if (seat.what != What::Probe) return;
  seat.ledger->calm = !running;
  for (const Fd& wish : seat.wishes) {
    if (running && ::write(wish.get(), &withoutEnd, sizeof withoutEnd) != sizeof withoutEnd)
      throw Fault("a probe takes no wishes");
  }
}

void Network::apply(unsigned fabric, Random& random) {
  const auto place = places_.find(fabric);
  if (place == places_.end()) return;
  std::vector<std::shared_ptr<const Policy>> policies;
  for (std::uint64_t count = 1 + random.below(4); count > 0; --count)
    policies.push_back(drawPolicy(random, program_.corrupts).policy);
  std::vector<PathChange> changes;
  const std::vector<unsigned> numbers = seatsOf(fabric);
  for (const unsigned from : numbers) {
    for (const unsigned to : numbers) {
      if (from == to || random.below(2) != 0) continue;
      std::optional<std::uint64_t> seed;
      if (random.below(8) == 0) seed = random.next();
      changes.push_back({seatOf(from)->id, seatOf(to)->id, policies[random.below(policies.size())], seed});
    }
  }
  if (!engine_->apply(place->second.id, changes, random.below(3) == 0)) throw Fault("policies were refused");
}

Ticket Network::applyToAll(unsigned fabric, bool flush) {
  std::vector<PathChange> changes;
  const std::vector<unsigned> numbers = seatsOf(fabric);
  for (const unsigned from : numbers) {
    for (const unsigned to : numbers)
      if (from != to) changes.push_back({seatOf(from)->id, seatOf(to)->id, nullptr, {}});
  }
  const auto applied = engine_->apply(places_.at(fabric).id, changes, flush);
  if (!applied) throw Fault("policies were refused");
  return applied->ticket;
}

// ---- captures ----

void Network::capture(const Step& step, Random& random) {
  const Seat* const seat = seatOf(step.port);
  if (!seat || recordings_.size() >= 4) return;
  CaptureTarget target{seat->id, {}, Listener::Kind::Frames, {nameOf(step.port), "", ""}};
  if (const Seat* const to = seatOf(step.otherPort);
      to && random.below(2) && engine_->pathSnapshot(seat->id, to->id)) {
    target.to = to->id;
    target.kind = random.below(2) ? Listener::Kind::Fates : Listener::Kind::OfferedAndLeaving;
  }
  Recording recording;
  std::optional<Output> output;
  if (random.below(3) == 0) {
    std::string path = "/tmp/etherloom-soak-XXXXXX";
    const Fd made(mkstemp(path.data()));
    output = must(Output::file(path), "a capture's file");
    unlink(path.c_str());
  } else {
    auto sockets = must(socketPair(SOCK_STREAM), "a pair of sockets");
    output = must(Output::connected(sockets[0].get()), "a capture's socket");
    recording.reader = unblocked(std::move(sockets[1]));
    recording.reads = random.below(2) != 0;
  }
  CaptureSettings settings;
  settings.buffer = 64 << 10;
  settings.snapLength = random.below(2) ? 64 : 0;
  settings.count = random.below(3) == 0 ? 50 : 0;
  recording.id = must(engine_->startCapture(settings, std::move(*output), {target}), "a capture");
  recordings_.push_back(std::move(recording));
}

void Network::endCapture(Random& random) {
  if (recordings_.empty()) return;
  Recording& recording = recordings_[random.below(recordings_.size())];
  if (random.below(3) == 0)
    recording.reader.reset();
  else if (!recording.ending)
    recording.ending = engine_->endCapture(recording.id);
}

// ---- looking ----

void Network::look() {
  for (const auto& end : ends_) {
    end->drain([this](std::uint32_t number, std::span<const std::uint8_t> bytes, Instant) {
      verdicts_.judge(bytes, true);
      for (auto& [itsNumber, seat] : seats_) {
        if (seat.what != What::Memory || seat.number != number) continue;
        ++seat.got;
        if (auto* const port = portAs<MemoryPort>(engine_->port(seat.id))) port->taken(1);
      }
    });
  }
  for (auto& [number, seat] : seats_)
    if (seat.peer) read(seat);
  for (Recording& recording : recordings_) {
    std::array<std::uint8_t, 4096> bytes;
    while (recording.reader && recording.reads &&
           ::read(recording.reader.get(), bytes.data(), bytes.size()) > 0) {
    }
  }
  std::erase_if(recordings_, [this](const Recording& recording) {
    if (!recording.ending || !engine_->settled(*recording.ending) ||
        engine_->capture(recording.id).state() == Capture::State::Running)
      return false;
    engine_->forgetCapture(recording.id);
    return true;
  });
  engine_->poll([this](const Event& event) {
    if (event.kind != EventKind::PortDown) return;
    for (auto& [number, seat] : seats_) {
      if (seat.id != event.port) continue;
      if (!seat.failed) throw Fault(nameOf(number) + " went down by itself: " + std::strerror(event.error));
      seat.up = false;
    }
  });
  if (const auto fault = verdicts_.fault()) throw Fault(*fault);
}

/// What an outside is sent, and what it has still to send.
void Network::read(Seat& seat) {
  std::array<std::uint8_t, 16'384> bytes;
  for (;;) {
    if (!seat.stream) {
      const ssize_t got = recv(seat.peer.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
      if (got < 0) return;
      verdicts_.judge(std::span(bytes).first(static_cast<std::size_t>(got)), true);
      ++seat.got;
      continue;
    }
    const std::span<std::uint8_t> room = seat.decoder->room();
    const ssize_t got = recv(seat.peer.get(), room.data(), room.size(), MSG_DONTWAIT);
    if (got <= 0) break;
    seat.decoder->add(static_cast<std::size_t>(got));
    std::span<const std::uint8_t> frame;
    for (auto piece = seat.decoder->next(frame); piece != StreamDecoder::Piece::Incomplete;
         piece = seat.decoder->next(frame)) {
      if (piece != StreamDecoder::Piece::Frame) throw Fault("a stream port sent what is no frame");
      verdicts_.judge(frame, true);
      ++seat.got;
    }
  }
  while (!seat.unsent.empty()) {
    const ssize_t taken =
        ::send(seat.peer.get(), seat.unsent.data(), seat.unsent.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (taken <= 0) return;
    seat.unsent.erase(seat.unsent.begin(), seat.unsent.begin() + taken);
  }
}

template <typename Done>
void Network::until(const char* what, Done&& done) {
  const auto deadline = SteadyClock::now() + patience;
  for (look(); !done(); look()) {
    bell_.wait();
    if (SteadyClock::now() > deadline) throw Fault(std::string("hangs: ") + what);
  }
}

void Network::settle(Ticket ticket) {
  until("a change is never settled", [&] { return engine_->settled(ticket); });
}

void Network::pass(Duration duration) {
  const auto end = SteadyClock::now() + std::chrono::nanoseconds(duration.nanoseconds);
  for (look(); SteadyClock::now() < end; look()) bell_.wait();
}

/// What holds at any time: the sums of every path, and that counters only grow.
void Network::check() {
  const auto account = [this](const std::string& what, PortId from, std::optional<PortId> to,
                              const PathSnapshot& now) {
    if (!balances(now)) throw Fault(what + ": " + sumsOf(now));
    PathSnapshot& before = before_[{from, to}];
    if (now.offered < before.offered || now.duplicated < before.duplicated ||
        now.delivered < before.delivered)
      throw Fault(what + " counts backwards: " + sumsOf(before) + "; then " + sumsOf(now));
    offered_ += now.offered - before.offered;
    before = now;
  };
  for (const auto& [number, seat] : seats_) {
    account(nameOf(number) + " by default", seat.id, {}, engine_->portSnapshot(seat.id).defaults);
    for (const unsigned other : seatsOf(seat.fabric)) {
      const PortId to = seatOf(other)->id;
      if (const auto path = engine_->pathSnapshot(seat.id, to))
        account(nameOf(number) + " to " + nameOf(other), seat.id, to, *path);
    }
  }
}

// ---- at rest ----

void Network::rest(Random& random) {
  for (auto& [number, seat] : seats_) {
    run(seat, false);
    if (!seat.carrier) engine_->setCarrier(seat.id, seat.carrier = true);
  }
  if (random.below(2) != 0) {  // what is held leaves at its time
    for (const auto& [fabric, place] : places_) applyToAll(fabric, false);
    pass({20'000'000});
  }
  for (const auto& [number, seat] : seats_) engine_->configure(seat.id, {});
  for (const auto& [fabric, place] : places_) applyToAll(fabric, true);
  settle(engine_->latest());
  waitUntilQuiet();
  checkAtRest();
}

void Network::waitUntilQuiet() {
  const auto deadline = SteadyClock::now() + patience;
  std::vector<std::uint64_t> last;
  for (unsigned still = 0; still < 3;) {
    look();
    std::vector<std::uint64_t> numbers;
    std::uint64_t moving = 0;
    for (const auto& [number, seat] : seats_) {
      const PortSnapshot port = engine_->portSnapshot(seat.id);
      numbers.insert(numbers.end(), {port.receivedFrames, port.transmittedFrames, port.defaults.offered,
                                     droppedIn(port.dropped), seat.got, seat.unsent.size()});
      moving += port.defaults.underWay();
      for (const unsigned other : seatsOf(seat.fabric)) {
        const auto path = engine_->pathSnapshot(seat.id, seatOf(other)->id);
        if (path) moving += path->underWay();
      }
    }
    const std::size_t referenced = outstanding();
    still = numbers == last && moving == 0 && referenced == 0 ? still + 1 : 0;
    last = std::move(numbers);
    if (SteadyClock::now() > deadline)
      throw Fault("never quiet: " + std::to_string(moving) + " frames are under way and " +
                  std::to_string(referenced) + " buffers are not back");
    bell_.wait();
  }
}

/// Buffers that are not in their pools.
std::size_t Network::outstanding() {
  const auto counts = std::make_shared<std::vector<std::atomic<std::size_t>>>(engine_->workers());
  for (std::uint16_t worker = 0; worker < engine_->workers(); ++worker)
    engine_->order(worker, [counts, worker](Worker& its) { (*counts)[worker] = its.pool().outstanding(); });
  settle(engine_->fence([] {}));
  std::size_t all = 0;
  for (const auto& count : *counts) all += count;
  return all;
}

void Network::checkAtRest() {
  check();
  std::map<unsigned, std::pair<std::uint64_t, std::uint64_t>> ofFabric;  // delivered, transmitted
  const auto between = [](const std::string& what, std::uint64_t least, std::uint64_t value,
                          std::uint64_t most) {
    if (value < least || value > most)
      throw Fault(what + ": " + std::to_string(value) + ", and not from " + std::to_string(least) + " to " +
                  std::to_string(most));
  };
  for (const auto& [number, seat] : seats_) {
    const PortSnapshot port = engine_->portSnapshot(seat.id);
    const std::string name = nameOf(number);
    auto& [delivered, transmitted] = ofFabric[seat.fabric];
    transmitted += port.transmittedFrames;
    delivered += port.defaults.delivered;
    for (const unsigned other : seatsOf(seat.fabric)) {
      const auto path = engine_->pathSnapshot(seat.id, seatOf(other)->id);
      if (path) delivered += path->delivered;
    }
    const std::uint64_t dropped = droppedIn(port.dropped);
    const auto droppedAs = [&port](DropReason reason) {
      return port.dropped[static_cast<std::size_t>(reason)];
    };
    if (seat.ledger) {
      between("frames that " + name + " was given", port.transmittedFrames, seat.ledger->taken,
              port.transmittedFrames);
      const std::uint64_t counted = port.receivedFrames + droppedAs(DropReason::Runt);
      between("frames that " + name + " handed in", counted, seat.ledger->handed,
              counted + droppedAs(DropReason::Oversize) + droppedAs(DropReason::PortDown));
    }
    if (seat.what == What::Memory)
      between("frames that the reader of " + name + " got", port.transmittedFrames, seat.got,
              port.transmittedFrames);
    if (seat.what == What::Outside && !seat.failed)
      between("frames that the peer of " + name + " got", port.transmittedFrames, seat.got,
              port.transmittedFrames);
    if ((seat.what == What::Memory || seat.what == What::Outside) && !seat.failed)
      between("frames that were sent into " + name, port.receivedFrames, seat.given,
              port.receivedFrames + dropped);
    const Seat* const partner = seat.partner ? seatOf(*seat.partner) : nullptr;
    if (partner && !seat.failed && !partner->failed) {
      const std::uint64_t sent = engine_->portSnapshot(partner->id).transmittedFrames;
      between("frames through the cable into " + name, port.receivedFrames, sent,
              port.receivedFrames + dropped);
    }
  }
  for (const auto& [fabric, sums] : ofFabric) {
    if (places_.at(fabric).portsLeft || sums.first == sums.second) continue;
    throw Fault("the ports of fabric" + std::to_string(fabric) + " transmitted " +
                std::to_string(sums.second) + " frames, and its paths delivered " +
                std::to_string(sums.first));
  }
}

}  // namespace etherloom::soak
