// What a user may give as a filter, and run on the frames of outsiders: any instructions, any frame.
//
// The input: how long the program is, how it is read, then the program, then the frame. Read raw, nearly
// every program is refused; so bits of the second byte have codes picked from those that there are, jumps and
// operands mended, and a return put behind. The oracle is an interpreter that checks everything which the
// verifier has promised; and, where a program is said to read nothing beyond the headers, its verdict on a
// super-frame must be that on each segment.
#include "filters/program.hpp"

#include <linux/filter.h>

#include <array>
#include <memory>
#include <optional>

#include "../frame_fixtures.hpp"
#include "frame/offload.hpp"
#include "frame/pool.hpp"
#include "frame/segmentation.hpp"
#include "target.hpp"

using namespace etherloom;
using namespace etherloom::fuzz;

namespace {

constexpr std::uint16_t codes[] = {
    0x20, 0x28, 0x30, 0x40, 0x48, 0x50, 0xb1, 0x00, 0x01, 0x80, 0x81, 0x60, 0x61, 0x02, 0x03, 0x07, 0x87,
    0x04, 0x0c, 0x14, 0x1c, 0x24, 0x2c, 0x34, 0x3c, 0x94, 0x9c, 0x54, 0x5c, 0x44, 0x4c, 0xa4, 0xac, 0x64,
    0x6c, 0x74, 0x7c, 0x84, 0x05, 0x15, 0x1d, 0x25, 0x2d, 0x35, 0x3d, 0x45, 0x4d, 0x06, 0x16};

enum Mend : std::uint8_t { Codes = 1, Operands = 2, Return = 4, Offsets = 8 };

std::vector<FilterInstruction> programOf(Input& input) {
  const std::size_t count = input.byte() % 64;
  const std::uint8_t mend = input.byte();
  std::vector<FilterInstruction> program;
  for (std::size_t at = 0; at < count; ++at) {
    FilterInstruction& next = program.emplace_back(input.take<FilterInstruction>());
    const auto following = static_cast<std::uint32_t>(count - at - 1 + (mend & Return ? 1 : 0));
    if (mend & Codes) next.code = codes[next.code % std::size(codes)];
    if (mend & Offsets && (next.code & 7) <= 1 && next.code != 0x00 && next.code != 0x01) next.k %= 64;
    if (!(mend & Operands)) continue;
    const unsigned kind = next.code & 7;
    if (next.code == 0x60 || next.code == 0x61 || kind == 2 || kind == 3) next.k %= 17;  // one too many
    if (next.code == 0x64 || next.code == 0x74) next.k %= 32;
    if (kind != 5 || following == 0) continue;
    if (next.code == 0x05) next.k %= following;
    next.jt = static_cast<std::uint8_t>(next.jt % following);
    next.jf = static_cast<std::uint8_t>(next.jf % following);
  }
  if (mend & Return) program.push_back({0x16, 0, 0, 0});
  return program;
}

/// The program as bpf(4) has it, one field of the code after the other.
bool naive(std::span<const FilterInstruction> program, std::span<const std::uint8_t> frame) {
  std::uint32_t a = 0, x = 0;
  std::array<std::optional<std::uint32_t>, 16> memory;
  const auto load = [&](std::uint64_t offset, unsigned size) -> std::optional<std::uint32_t> {
    if (offset >= frame.size() || frame.size() - offset < size) return std::nullopt;
    std::uint32_t value = 0;
    for (unsigned index = 0; index < size; ++index) value = value * 256 + frame[offset + index];
    return value;
  };
  for (std::size_t at = 0, steps = 0;; ++at, ++steps) {
    require(at < program.size() && steps < program.size());
    const auto [code, jt, jf, k] = program[at];
    const unsigned kind = BPF_CLASS(code);
    const std::uint32_t operand = BPF_SRC(code) == BPF_X ? x : k;
    if (kind == BPF_LD || kind == BPF_LDX) {
      const unsigned size = BPF_SIZE(code) == BPF_W ? 4 : BPF_SIZE(code) == BPF_H ? 2 : 1;
      std::optional<std::uint32_t> value;
      switch (BPF_MODE(code)) {
        case BPF_ABS:
          value = load(k, size);
          break;
        case BPF_IND:
          value = load(std::uint32_t(x + k), size);
          break;
        case BPF_MSH:
          value = load(k, 1);
          if (value) value = *value % 16 * 4;
          break;
        case BPF_IMM:
          value = k;
          break;
        case BPF_LEN:
          value = static_cast<std::uint32_t>(frame.size());
          break;
        default:
          require(BPF_MODE(code) == BPF_MEM && k < 16 && memory[k].has_value());
          value = memory[k];
      }
      if (!value) return false;
      (kind == BPF_LD ? a : x) = *value;
    } else if (kind == BPF_ST || kind == BPF_STX) {
      require(k < 16);
      memory[k] = kind == BPF_ST ? a : x;
    } else if (kind == BPF_MISC) {
      if (BPF_MISCOP(code) == BPF_TAX)
        x = a;
      else
        a = x;
    } else if (kind == BPF_RET) {
      return (BPF_RVAL(code) == BPF_A ? a : k) != 0;
    } else if (kind == BPF_JMP) {
      bool holds = true;
      switch (BPF_OP(code)) {
        case BPF_JA:
          at += k;
          continue;
        case BPF_JEQ:
          holds = a == operand;
          break;
        case BPF_JGT:
          holds = a > operand;
          break;
        case BPF_JGE:
          holds = a >= operand;
          break;
        case BPF_JSET:
          holds = (a & operand) != 0;
          break;
        default:
          require(false);
      }
      at += holds ? jt : jf;
    } else {
      const std::uint64_t wide = a;
      switch (BPF_OP(code)) {
        case BPF_ADD:
          a = static_cast<std::uint32_t>(wide + operand);
          break;
        case BPF_SUB:
          a = static_cast<std::uint32_t>(wide - operand);
          break;
        case BPF_MUL:
          a = static_cast<std::uint32_t>(wide * operand);
          break;
        case BPF_DIV:
          if (operand == 0) return false;
          a = static_cast<std::uint32_t>(wide / operand);
          break;
        case BPF_MOD:
          if (operand == 0) return false;
          a = static_cast<std::uint32_t>(wide % operand);
          break;
        case BPF_AND:
          a &= operand;
          break;
        case BPF_OR:
          a |= operand;
          break;
        case BPF_XOR:
          a ^= operand;
          break;
        case BPF_LSH:
          require(BPF_SRC(code) == BPF_X || k < 32);
          a = static_cast<std::uint32_t>(wide << operand % 32);
          break;
        case BPF_RSH:
          require(BPF_SRC(code) == BPF_X || k < 32);
          a = static_cast<std::uint32_t>(wide >> operand % 32);
          break;
        default:
          require(BPF_OP(code) == BPF_NEG);
          a = ~a + 1;
      }
    }
  }
}

bool accepts(const FilterProgram& program, std::span<const std::uint8_t> frame) {
  const std::vector<std::uint8_t> memory = exactly(frame);
  return program.accepts(memory.data(), static_cast<std::uint32_t>(memory.size()));
}

/// Of a program that reads nothing which differs between segments. Shapes with valid IPv4 header lengths
/// only, as super-frames have.
void requireSameOnSegments(const FilterProgram& program, unsigned wish) {
  static const std::unique_ptr<FramePool> pool = *FramePool::create(1 << 20);
  IpFrame shape{.ip6 = (wish & 1) != 0,
                .tcp = (wish & 2) != 0,
                .tags = std::vector<std::uint16_t>(wish >> 2 & 1, 7),
                .ipOptions = (wish >> 3 & 1) * 8,
                .payload = 250};
  const Bytes bytes = shape.build();
  Frame* frame = pool->copyIn(bytes);
  require(frame);
  const VirtioHeader claims{
      .flags = needsChecksum,
      .gsoType = static_cast<std::uint8_t>(!shape.tcp  ? GsoType::Udp
                                           : shape.ip6 ? GsoType::Tcp6
                                                       : GsoType::Tcp4),
      .headerLength = static_cast<std::uint16_t>(shape.headerLength()),
      .gsoSize = 100,
      .csumStart = static_cast<std::uint16_t>(shape.transportAt()),
      .csumOffset = static_cast<std::uint16_t>(shape.checksumAt() - shape.transportAt())};
  require(acceptOffload(*frame, claims));
  const bool verdict = program.accepts(frame->data, frame->length);
  Segmenter segmenter;
  require(segmenter.start(*frame));
  while (!segmenter.done()) {
    Frame* wire = segmenter.next(*pool);
    require(wire && program.accepts(wire->data, wire->length) == verdict);
    pool->release(wire);
  }
  pool->release(frame);
  require(pool->outstanding() == 0);
}

void run(std::span<const std::uint8_t> bytes) {
  Input input(bytes);
  const std::vector<FilterInstruction> instructions = programOf(input);
  const Result<FilterProgram> program = FilterProgram::verify(instructions);
  if (!program) {
    require(!program.error().message.empty());
    return;
  }
  require(accepts(*program, input.rest()) == naive(instructions, input.rest()));
  if (!program->readsBeyondHeaders()) requireSameOnSegments(*program, input.byte());
}

const Target target("filter_program", run);

}  // namespace
