// GeneratorPort: numbered frames, a burst in every turn, for benchmarks and tests. What it is sent it takes
// and discards, as a SinkPort does. Constructed on the control thread, which orders run(); the rest on the
// port's worker.
//
// A frame is the Ethernet header, with the EtherType for local experiments (IEEE 802, 0x88b5), its number in
// eight bytes, most significant first, and zeros. Numbers start at 0, without gaps.
#pragma once

#include <cstddef>
#include <limits>

#include "frame/ethernet.hpp"
#include "ports/port.hpp"

namespace etherloom {

class GeneratorPort final : public Port {
 public:
  static constexpr std::uint16_t etherType = 0x88b5;
  static constexpr std::uint32_t shortest = ethernetHeaderLength + sizeof(std::uint64_t);  ///< bytes
  static constexpr std::uint32_t longest = 1514;                                           ///< bytes

  struct Settings {
    std::uint32_t length = 60;  ///< bytes, from shortest to longest
    std::uint64_t count = std::numeric_limits<std::uint64_t>::max();
    std::array<std::uint8_t, 6> source{};
    std::array<std::uint8_t, 6> destination{};
  };
  explicit GeneratorPort(const Settings& settings);

  /// Begins, or goes on where it stopped; or stops.
  void run(bool running) noexcept;

  [[nodiscard]] ClassMark mark() const noexcept override { return markOf<GeneratorPort>(); }
  [[nodiscard]] Result<void> open(Io& io, PortKey key) override;
  [[nodiscard]] RxState receive(RxBurst& burst) noexcept override;
  void transmit(std::span<const TxItem> items) noexcept override { sent(items); }
  void close(Io&) noexcept override {}
  [[nodiscard]] bool virtualClock() const noexcept override { return true; }

 private:
  static constexpr std::size_t line = 64;  // bytes that are copied at a time: a multiple costs less to copy

  const std::uint32_t length_;
  const std::uint64_t count_;
  std::uint64_t number_ = 0;  // of the next frame
  bool running_ = false;
  PortKey key_;
  alignas(line) std::array<std::uint8_t, (longest + line - 1) / line * line> pattern_{};
};

}  // namespace etherloom
