// A learning switch (IEEE 802.1Q, clause 8.6 to 8.8, without spanning tree). Called through Fabric: decide()
// on any worker, learn() and forget() on the home worker, endFlapping() on the
// control thread, addresses() on any.
#pragma once

#include "fabrics/fabric.hpp"
#include "fabrics/flapping.hpp"
#include "fabrics/mac_table.hpp"

namespace etherloom {

struct SwitchSettings {
  Duration ageing{
      300'000'000'000};  ///< how long an address is known after a frame from it; 0: every frame floods
  std::uint32_t addresses = 8192;  ///< that the table holds, at least 1
  bool forwardReserved = false;    ///< pass on 01:80:C2:00:00:0x instead of dropping it
};

class Switch final : public Fabric {
 public:
  explicit Switch(const SwitchSettings& settings);

  void decide(Seat from, std::span<Frame* const> frames, std::span<const std::uint16_t> vlans, Instant now,
              std::span<Verdict> verdicts, LearnLog& log) const noexcept override;
  void learn(std::span<const Learned> log, const std::function<void(const AddressMove&)>& moved) override;
  void forget(Seat seat) override { table_.forget(seat); }
  [[nodiscard]] std::size_t mostFlapping() const override { return Flapping::places; }
  EpisodeState endFlapping(AddressKey address, Instant until) override {
    return flapping_.end(address, until);
  }
  [[nodiscard]] std::vector<AddressRow> addresses(Instant now) const override { return table_.rows(now); }

 private:
  [[nodiscard]] bool worthLearning(AddressKey source, Seat from, Instant now) const noexcept;
  [[nodiscard]] Verdict route(std::uint64_t destination, std::uint16_t vlan, Seat from,
                              Instant now) const noexcept;

  bool forwardReserved_;
  Duration refreshAfter_;  // a known address is written down again when its entry is older than this
  MacTable table_;
  Flapping flapping_;
};

}  // namespace etherloom
