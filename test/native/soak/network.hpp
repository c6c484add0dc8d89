// Executes the steps of a program on an engine with a real clock, and holds its numbers against each other.
// Control thread.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "../engine_fixtures.hpp"
#include "devices.hpp"
#include "ports/stream_framing.hpp"
#include "program.hpp"
#include "runtime/engine.hpp"

namespace etherloom::soak {

/// Something that should hold does not.
struct Fault : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class Network {
 public:
  explicit Network(const Program& program);
  ~Network();
  Network(const Network&) = delete;
  Network& operator=(const Network&) = delete;

  /// Throws a Fault for what is wrong by then. A step that names what is not there does nothing.
  void take(const Step& step);
  /// Closes everything, whatever is under way.
  void close();
  /// Copies of frames that were offered to paths so far, as far as anybody has looked.
  [[nodiscard]] std::uint64_t offered() const { return offered_; }

 private:
  struct Place {
    FabricId id{};
    bool vlans = false;
    bool portsLeft = false;  ///< a port has left, and its numbers with it
  };
  struct Seat {
    What what{};
    unsigned fabric = 0;
    PortId id{};
    bool up = true;
    bool failed = false;  ///< its device has ended, or may have
    bool carrier = true;
    // Probe
    std::shared_ptr<Ledger> ledger{};
    std::vector<Fd> wishes{};  ///< of each inlet
    // Memory; `given`, `got`: frames that its far end has sent, and received
    std::uint32_t number = 0;
    std::uint16_t worker = 0;
    std::uint64_t given = 0, got = 0;
    // Outside
    Fd peer{};
    bool stream = false;
    std::unique_ptr<StreamDecoder> decoder{};
    std::vector<std::uint8_t> unsent{};
    // Link
    std::optional<unsigned> partner{};
  };
  struct Recording {
    CaptureId id{};
    Fd reader{};
    bool reads = false;
    std::optional<Ticket> ending{};
  };

  // ---- steps ----
  void addFabric(const Step& step, Random& random);
  void addPort(const Step& step, Random& random);
  void addLink(const Step& step, Random& random);
  void send(Seat& seat, Random& random);
  void sendToMemory(Seat& seat, Random& random, std::uint64_t count);
  void sendFromOutside(Seat& seat, Random& random, std::uint64_t count);
  void run(Seat& seat, bool running);
  void apply(unsigned fabric, Random& random);
  void revive(Seat& seat, Random& random);
  void detach(unsigned number);
  void fail(Seat& seat);
  void capture(const Step& step, Random& random);
  void endCapture(Random& random);
  void rest(Random& random);

  // ---- what they share ----
  void attach(unsigned number, Seat seat, std::unique_ptr<Port> port, Random& random,
              std::optional<std::uint16_t> worker = {}, std::vector<std::unique_ptr<Port>> further = {});
  std::vector<std::unique_ptr<Port>> probesOf(Seat& seat, std::size_t inlets, Random& random);
  std::unique_ptr<Port> outsideOf(Seat& seat, Random& random);
  [[nodiscard]] Seat* seatOf(unsigned number);
  [[nodiscard]] std::vector<unsigned> seatsOf(unsigned fabric) const;
  Ticket applyToAll(unsigned fabric, bool flush);
  void setNumbered(Numbered& frame, Random& random);

  // ---- looking ----
  void look();
  void read(Seat& seat);
  template <typename Done>
  void until(const char* what, Done&& done);
  void settle(Ticket ticket);
  void pass(Duration duration);
  void check();
  void waitUntilQuiet();
  [[nodiscard]] std::size_t outstanding();
  void checkAtRest();

  const Program& program_;
  Bell bell_;
  Verdicts verdicts_;
  std::vector<std::unique_ptr<FarEnd>> ends_;
  std::unique_ptr<Engine> engine_;
  std::map<unsigned, Place> places_;
  std::map<unsigned, Seat> seats_;
  std::vector<Recording> recordings_;
  /// Of each pair, and of a port's pairs without a policy: what it had counted.
  std::map<std::pair<PortId, std::optional<PortId>>, PathSnapshot> before_;
  std::uint32_t nextNumber_ = 0;
  std::uint64_t offered_ = 0;
  std::uint64_t frames_ = 0;  // that the control thread has made
};

}  // namespace etherloom::soak
