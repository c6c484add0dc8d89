// A classic BPF program: verified once when a policy is set up, run once per frame on the worker of the
// path's to-port. Immutable, so any number of paths and threads may share one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "os/error.hpp"

namespace etherloom {

/// One instruction, laid out as the kernel's struct sock_filter and libpcap's struct bpf_insn.
struct FilterInstruction {
  std::uint16_t code = 0;
  std::uint8_t jt = 0;  ///< instructions skipped when a condition holds
  std::uint8_t jf = 0;  ///< instructions skipped when it does not
  std::uint32_t k = 0;

  bool operator==(const FilterInstruction&) const = default;
};

class FilterProgram {
 public:
  static constexpr std::size_t maximumSize = 4096;  ///< instructions

  /// Accepts what the kernel accepts for SO_ATTACH_FILTER, except its ancillary data (loads at negative
  /// offsets). So every program ends, stays inside itself, and never reads a memory word that it did not
  /// write.
  static Result<FilterProgram> verify(std::span<const FilterInstruction> instructions);

  /// Runs the program as the kernel does: a load that reaches beyond the frame, or a division by zero, drops
  /// the frame.
  [[nodiscard]] bool accepts(const std::uint8_t* data, std::uint32_t length) const noexcept;

  /// False only if the program's verdict on a super-frame is its verdict on each of the segments it stands
  /// for: on frames that can be super-frames (TCP and UDP over IP under at most two VLAN tags) it reads
  /// nothing that differs between segments, and nothing behind the ports.
  [[nodiscard]] bool readsBeyondHeaders() const { return readsBeyondHeaders_; }

 private:
  explicit FilterProgram(std::span<const FilterInstruction> verified);

  std::vector<FilterInstruction> instructions_;
  bool readsBeyondHeaders_;
};

}  // namespace etherloom
