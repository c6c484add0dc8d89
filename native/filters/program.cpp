// The verifier, the analysis of what a program reads, and the interpreter. The first two run at set-up on the
// engine's control thread, the interpreter on any worker.
#include "filters/program.hpp"

#include <linux/filter.h>

#include <array>
#include <limits>
#include <optional>
#include <string>

namespace etherloom {
namespace {

static_assert(sizeof(FilterInstruction) == sizeof(sock_filter));
static_assert(offsetof(FilterInstruction, code) == offsetof(sock_filter, code));
static_assert(offsetof(FilterInstruction, jt) == offsetof(sock_filter, jt));
static_assert(offsetof(FilterInstruction, jf) == offsetof(sock_filter, jf));
static_assert(offsetof(FilterInstruction, k) == offsetof(sock_filter, k));
static_assert(FilterProgram::maximumSize == BPF_MAXINSNS);

using Instructions = std::span<const FilterInstruction>;

// ---- verifier ----

/// What is wrong with one instruction, or nullptr. `following` is the number of instructions after it.
const char* problem(const FilterInstruction& instruction, std::size_t following) {
  const std::uint32_t k = instruction.k;
  switch (instruction.code) {
    case BPF_LD | BPF_W | BPF_ABS:
    case BPF_LD | BPF_H | BPF_ABS:
    case BPF_LD | BPF_B | BPF_ABS:
    case BPF_LD | BPF_W | BPF_IND:
    case BPF_LD | BPF_H | BPF_IND:
    case BPF_LD | BPF_B | BPF_IND:
    case BPF_LDX | BPF_B | BPF_MSH:
      if (k > std::numeric_limits<std::int32_t>::max())
        return "loads at a negative offset, where only the kernel keeps data about a frame";
      return nullptr;
    case BPF_LD | BPF_MEM:
    case BPF_LDX | BPF_MEM:
    case BPF_ST:
    case BPF_STX:
      return k < BPF_MEMWORDS ? nullptr : "uses a memory slot that does not exist (there are 16)";
    case BPF_ALU | BPF_DIV | BPF_K:
    case BPF_ALU | BPF_MOD | BPF_K:
      return k != 0 ? nullptr : "divides by zero";
    case BPF_ALU | BPF_LSH | BPF_K:
    case BPF_ALU | BPF_RSH | BPF_K:
      return k < 32 ? nullptr : "shifts by more than 31 bits";
    case BPF_JMP | BPF_JA:
      return k < following ? nullptr : "jumps out of the program";
    case BPF_JMP | BPF_JEQ | BPF_K:
    case BPF_JMP | BPF_JEQ | BPF_X:
    case BPF_JMP | BPF_JGT | BPF_K:
    case BPF_JMP | BPF_JGT | BPF_X:
    case BPF_JMP | BPF_JGE | BPF_K:
    case BPF_JMP | BPF_JGE | BPF_X:
    case BPF_JMP | BPF_JSET | BPF_K:
    case BPF_JMP | BPF_JSET | BPF_X:
      return instruction.jt < following && instruction.jf < following ? nullptr : "jumps out of the program";
    case BPF_RET | BPF_K:
    case BPF_RET | BPF_A:
    case BPF_LD | BPF_IMM:
    case BPF_LD | BPF_W | BPF_LEN:
    case BPF_LDX | BPF_IMM:
    case BPF_LDX | BPF_W | BPF_LEN:
    case BPF_ALU | BPF_ADD | BPF_K:
    case BPF_ALU | BPF_ADD | BPF_X:
    case BPF_ALU | BPF_SUB | BPF_K:
    case BPF_ALU | BPF_SUB | BPF_X:
    case BPF_ALU | BPF_MUL | BPF_K:
    case BPF_ALU | BPF_MUL | BPF_X:
    case BPF_ALU | BPF_DIV | BPF_X:
    case BPF_ALU | BPF_MOD | BPF_X:
    case BPF_ALU | BPF_AND | BPF_K:
    case BPF_ALU | BPF_AND | BPF_X:
    case BPF_ALU | BPF_OR | BPF_K:
    case BPF_ALU | BPF_OR | BPF_X:
    case BPF_ALU | BPF_XOR | BPF_K:
    case BPF_ALU | BPF_XOR | BPF_X:
    case BPF_ALU | BPF_LSH | BPF_X:
    case BPF_ALU | BPF_RSH | BPF_X:
    case BPF_ALU | BPF_NEG:
    case BPF_MISC | BPF_TAX:
    case BPF_MISC | BPF_TXA:
      return nullptr;
    default:
      return "is not a classic BPF instruction";
  }
}

/// The first instruction that may load a memory slot which some way to it has not stored, or none. All jumps
/// go forward, so one pass sees every way to an instruction before the instruction itself. As in the kernel,
/// a return does not start afresh: what follows it counts as reachable from it.
std::optional<std::size_t> loadBeforeStore(Instructions instructions) {
  constexpr std::uint16_t all = 0xffff;
  std::vector<std::uint16_t> storedOnEveryJump(instructions.size(), all);
  std::uint16_t stored = 0;
  for (std::size_t at = 0; at < instructions.size(); ++at) {
    const FilterInstruction& instruction = instructions[at];
    const auto jump = [&](std::uint32_t skipped) { storedOnEveryJump[at + 1 + skipped] &= stored; };
    stored &= storedOnEveryJump[at];
    switch (instruction.code) {
      case BPF_ST:
      case BPF_STX:
        stored = static_cast<std::uint16_t>(stored | 1U << instruction.k);
        break;
      case BPF_LD | BPF_MEM:
      case BPF_LDX | BPF_MEM:
        if (!(stored & 1U << instruction.k)) return at;
        break;
      case BPF_JMP | BPF_JA:
        jump(instruction.k);
        stored = all;
        break;
      default:
        if (BPF_CLASS(instruction.code) != BPF_JMP) break;
        jump(instruction.jt);
        jump(instruction.jf);
        stored = all;
    }
  }
  return std::nullopt;
}

Error refusal(std::size_t at, const char* what) {
  return {0, "", "the filter program is refused: instruction " + std::to_string(at) + ' ' + what};
}

// ---- what a program reads ----
//
// Theory of operation. The segments of a super-frame repeat its headers, except for the IPv4 total length,
// identification and checksum, the IPv6 payload length, and what stands behind the ports. Where those fields
// are depends on the tags and the IP version, and a program that may read them has looked at the EtherType
// first. So one forward pass carries, for each instruction, the layouts that a super-frame may still have
// when it gets there, and whether A holds two bytes of the frame and X an IPv4 header's length. A comparison
// of A with a number, where A holds the EtherType of a layout, divides the layouts between its two ways. Ways
// that meet keep what they agree on. A load counts as reading beyond the headers if it does so in any layout
// that is left. IPv4 headers are taken to have a valid length: others are never the headers of a super-frame.

struct Layout {
  std::uint32_t tags;
  std::uint16_t etherType;

  [[nodiscard]] constexpr std::uint32_t ip() const { return 14 + 4 * tags; }
};
constexpr std::uint16_t ipv4 = 0x0800;
constexpr std::uint16_t ipv6 = 0x86dd;
constexpr std::array layouts{Layout{0, ipv4}, Layout{1, ipv4}, Layout{2, ipv4},
                             Layout{0, ipv6}, Layout{1, ipv6}, Layout{2, ipv6}};
constexpr std::uint8_t allLayouts = (1U << layouts.size()) - 1;

constexpr bool isTag(std::uint32_t etherType) {
  return etherType == 0x8100 || etherType == 0x88a8 || etherType == 0x9100;
}

/// Bytes [offset, offset + size) are the same in every segment, whatever the length of the IP header.
bool repeats(const Layout& layout, std::uint64_t offset, std::uint32_t size) {
  const std::uint64_t end = offset + size;
  const auto touches = [&](std::uint32_t from, std::uint32_t to) {
    return offset < layout.ip() + to && end > layout.ip() + from;
  };
  if (layout.etherType == ipv4) return !touches(2, 6) && !touches(10, 12) && end <= layout.ip() + 24;
  return !touches(4, 6) && end <= layout.ip() + 44;
}

/// What is known when an instruction is reached.
struct Knowledge {
  std::uint8_t possible = 0;               ///< a bit per layout; 0 while no way here is known
  std::optional<std::uint32_t> halfInA;    ///< A holds the two bytes at this offset
  std::optional<std::uint32_t> lengthInX;  ///< X holds the length of the IPv4 header at this offset

  void meet(const Knowledge& other) {
    if (other.possible == 0) return;
    if (possible == 0) {
      *this = other;
      return;
    }
    possible |= other.possible;
    if (halfInA != other.halfInA) halfInA.reset();
    if (lengthInX != other.lengthInX) lengthInX.reset();
  }

  template <typename Predicate>
  [[nodiscard]] bool inEveryLayout(Predicate predicate) const {
    for (std::size_t index = 0; index < layouts.size(); ++index)
      if (possible >> index & 1U && !predicate(layouts[index])) return false;
    return true;
  }
  [[nodiscard]] bool repeatsAt(std::uint64_t offset, std::uint32_t size) const {
    return inEveryLayout([&](const Layout& layout) { return repeats(layout, offset, size); });
  }
  /// A load at X + k reads the ports, or a part of them.
  [[nodiscard]] bool readsPorts(std::uint64_t k, std::uint32_t size) const {
    return inEveryLayout([&](const Layout& layout) {
      return layout.etherType == ipv4 && lengthInX == layout.ip() && k >= layout.ip() &&
             k + size <= layout.ip() + 4;
    });
  }
  /// What is known on either way out of a comparison of A with `value`.
  [[nodiscard]] std::array<Knowledge, 2> compared(std::uint32_t value) const {
    Knowledge equal = *this;
    Knowledge different = *this;
    for (std::size_t index = 0; index < layouts.size() && halfInA; ++index) {
      const Layout& layout = layouts[index];
      const auto bit = static_cast<std::uint8_t>(1U << index);
      const bool readsTag = *halfInA >= 12 && *halfInA < layout.ip() - 2 && *halfInA % 4 == 0;
      const bool readsEtherType = *halfInA == layout.ip() - 2;
      if ((readsTag && !isTag(value)) || (readsEtherType && value != layout.etherType))
        equal.possible &= static_cast<std::uint8_t>(~bit);
      if (readsEtherType && value == layout.etherType) different.possible &= static_cast<std::uint8_t>(~bit);
    }
    return {equal, different};
  }
};

std::uint32_t loadSize(std::uint16_t code) {
  switch (BPF_SIZE(code)) {
    case BPF_W:
      return 4;
    case BPF_H:
      return 2;
    default:
      return 1;
  }
}

bool mayReadBeyondHeaders(Instructions instructions) {
  std::vector<Knowledge> reached(instructions.size());
  reached[0].possible = allLayouts;
  for (std::size_t at = 0; at < instructions.size(); ++at) {
    const auto [code, jt, jf, k] = instructions[at];
    Knowledge now = reached[at];
    if (now.possible == 0) continue;
    const auto continueAt = [&](std::size_t skipped, const Knowledge& known) {
      reached[at + 1 + skipped].meet(known);
    };
    switch (BPF_CLASS(code)) {
      case BPF_LD:
        if (BPF_MODE(code) == BPF_LEN) return true;
        if (BPF_MODE(code) == BPF_ABS && !now.repeatsAt(k, loadSize(code))) return true;
        if (BPF_MODE(code) == BPF_IND && !now.readsPorts(k, loadSize(code))) return true;
        now.halfInA.reset();
        if (code == (BPF_LD | BPF_H | BPF_ABS)) now.halfInA = k;
        break;
      case BPF_LDX:
        if (BPF_MODE(code) == BPF_LEN) return true;
        now.lengthInX.reset();
        if (BPF_MODE(code) == BPF_MSH) {
          if (!now.repeatsAt(k, 1)) return true;
          now.lengthInX = k;
        }
        break;
      case BPF_ALU:
        now.halfInA.reset();
        break;
      case BPF_MISC:
        if (code == (BPF_MISC | BPF_TAX))
          now.lengthInX.reset();
        else
          now.halfInA.reset();
        break;
      case BPF_JMP:
        if (code == (BPF_JMP | BPF_JA)) {
          continueAt(k, now);
        } else {
          const auto [equal, different] =
              code == (BPF_JMP | BPF_JEQ | BPF_K) ? now.compared(k) : std::array{now, now};
          continueAt(jt, equal);
          continueAt(jf, different);
        }
        continue;
      case BPF_RET:
        continue;
      default:  // BPF_ST, BPF_STX
        break;
    }
    continueAt(0, now);
  }
  return false;
}

// ---- interpreter ----

/// Loads Size bytes in network order into `value`; false if they are not all inside the frame.
template <std::uint32_t Size>
bool load(const std::uint8_t* data, std::uint32_t length, std::uint32_t offset, std::uint32_t& value) {
  if (std::uint64_t{offset} + Size > length) return false;
  value = 0;
  for (std::uint32_t index = 0; index < Size; ++index) value = value << 8 | data[offset + index];
  return true;
}

}  // namespace

bool FilterProgram::accepts(const std::uint8_t* data, std::uint32_t length) const noexcept {
  std::uint32_t a = 0;
  std::uint32_t x = 0;
  std::array<std::uint32_t, BPF_MEMWORDS> memory;  // the verifier has seen a store before each load

  // SAFETY: the verifier has seen that all jumps stay inside the program and that it ends with a return.
  for (const FilterInstruction* at = instructions_.data();; ++at) {
    const std::uint32_t k = at->k;
    // One line per instruction.
    // clang-format off
    switch (at->code) {
      case BPF_LD | BPF_W | BPF_ABS: if (!load<4>(data, length, k, a)) return false; break;
      case BPF_LD | BPF_H | BPF_ABS: if (!load<2>(data, length, k, a)) return false; break;
      case BPF_LD | BPF_B | BPF_ABS: if (!load<1>(data, length, k, a)) return false; break;
      // X + k wraps at 32 bits, as in the kernel; offsets from 2^31 on, negative there, lie
      // outside of every frame here.
      case BPF_LD | BPF_W | BPF_IND: if (!load<4>(data, length, x + k, a)) return false; break;
      case BPF_LD | BPF_H | BPF_IND: if (!load<2>(data, length, x + k, a)) return false; break;
      case BPF_LD | BPF_B | BPF_IND: if (!load<1>(data, length, x + k, a)) return false; break;
      case BPF_LDX | BPF_B | BPF_MSH:
        if (!load<1>(data, length, k, x)) return false;
        x = (x & 0xf) * 4;
        break;
      case BPF_LD | BPF_IMM: a = k; break;
      case BPF_LDX | BPF_IMM: x = k; break;
      case BPF_LD | BPF_W | BPF_LEN: a = length; break;
      case BPF_LDX | BPF_W | BPF_LEN: x = length; break;
      case BPF_LD | BPF_MEM: a = memory[k]; break;
      case BPF_LDX | BPF_MEM: x = memory[k]; break;
      case BPF_ST: memory[k] = a; break;
      case BPF_STX: memory[k] = x; break;
      case BPF_MISC | BPF_TAX: x = a; break;
      case BPF_MISC | BPF_TXA: a = x; break;

      case BPF_ALU | BPF_ADD | BPF_K: a += k; break;
      case BPF_ALU | BPF_ADD | BPF_X: a += x; break;
      case BPF_ALU | BPF_SUB | BPF_K: a -= k; break;
      case BPF_ALU | BPF_SUB | BPF_X: a -= x; break;
      case BPF_ALU | BPF_MUL | BPF_K: a *= k; break;
      case BPF_ALU | BPF_MUL | BPF_X: a *= x; break;
      case BPF_ALU | BPF_DIV | BPF_K: a /= k; break;
      case BPF_ALU | BPF_DIV | BPF_X:
        if (x == 0) return false;
        a /= x;
        break;
      case BPF_ALU | BPF_MOD | BPF_K: a %= k; break;
      case BPF_ALU | BPF_MOD | BPF_X:
        if (x == 0) return false;
        a %= x;
        break;
      case BPF_ALU | BPF_AND | BPF_K: a &= k; break;
      case BPF_ALU | BPF_AND | BPF_X: a &= x; break;
      case BPF_ALU | BPF_OR | BPF_K: a |= k; break;
      case BPF_ALU | BPF_OR | BPF_X: a |= x; break;
      case BPF_ALU | BPF_XOR | BPF_K: a ^= k; break;
      case BPF_ALU | BPF_XOR | BPF_X: a ^= x; break;
      case BPF_ALU | BPF_LSH | BPF_K: a <<= k; break;
      case BPF_ALU | BPF_LSH | BPF_X: a <<= x & 31; break;
      case BPF_ALU | BPF_RSH | BPF_K: a >>= k; break;
      case BPF_ALU | BPF_RSH | BPF_X: a >>= x & 31; break;
      case BPF_ALU | BPF_NEG: a = -a; break;

      case BPF_JMP | BPF_JA: at += k; break;
      case BPF_JMP | BPF_JEQ | BPF_K: at += a == k ? at->jt : at->jf; break;
      case BPF_JMP | BPF_JEQ | BPF_X: at += a == x ? at->jt : at->jf; break;
      case BPF_JMP | BPF_JGT | BPF_K: at += a > k ? at->jt : at->jf; break;
      case BPF_JMP | BPF_JGT | BPF_X: at += a > x ? at->jt : at->jf; break;
      case BPF_JMP | BPF_JGE | BPF_K: at += a >= k ? at->jt : at->jf; break;
      case BPF_JMP | BPF_JGE | BPF_X: at += a >= x ? at->jt : at->jf; break;
      case BPF_JMP | BPF_JSET | BPF_K: at += a & k ? at->jt : at->jf; break;
      case BPF_JMP | BPF_JSET | BPF_X: at += a & x ? at->jt : at->jf; break;

      case BPF_RET | BPF_K: return k != 0;
      case BPF_RET | BPF_A: return a != 0;
      default:
        // SAFETY: the verifier refuses every other code.
        __builtin_unreachable();
    }
    // clang-format on
  }
}

// ---- construction ----

Result<FilterProgram> FilterProgram::verify(Instructions instructions) {
  const std::size_t size = instructions.size();
  if (size == 0 || size > maximumSize)
    return Error{
        0, "",
        "the filter program is refused: it must have 1 to 4096 instructions, not " + std::to_string(size)};
  for (std::size_t at = 0; at < size; ++at)
    if (const char* what = problem(instructions[at], size - 1 - at)) return refusal(at, what);
  if (BPF_CLASS(instructions.back().code) != BPF_RET)
    return refusal(size - 1, "is the last one but does not return");
  if (const auto at = loadBeforeStore(instructions))
    return refusal(*at, "loads a memory slot that may not be stored yet");
  return FilterProgram(instructions);
}

FilterProgram::FilterProgram(Instructions verified)
    : instructions_(verified.begin(), verified.end()), readsBeyondHeaders_(mayReadBeyondHeaders(verified)) {}

}  // namespace etherloom
