// The verifier and the interpreter, by hand and beside the kernel's own, and the promise of
// readsBeyondHeaders.
#include "filters/program.hpp"

#include <doctest/doctest.h>
#include <linux/filter.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "filters/expression.hpp"
#include "os/fd.hpp"

using namespace etherloom;

namespace {

using Bytes = std::vector<std::uint8_t>;
using Code = std::vector<FilterInstruction>;
using Random = std::mt19937;

constexpr FilterInstruction acceptAll{BPF_RET | BPF_K, 0, 0, 0xffffffff};
constexpr FilterInstruction reject{BPF_RET | BPF_K, 0, 0, 0};
constexpr FilterInstruction returnA{BPF_RET | BPF_A, 0, 0, 0};

FilterInstruction statement(int code, std::uint32_t k = 0) {
  return {static_cast<std::uint16_t>(code), 0, 0, k};
}
FilterInstruction jump(int code, std::uint32_t k, std::uint8_t jt, std::uint8_t jf) {
  return {static_cast<std::uint16_t>(BPF_JMP | code), jt, jf, k};
}

std::uint32_t below(Random& random, std::uint32_t bound) {
  return static_cast<std::uint32_t>(random() % bound);
}

FilterProgram verified(const Code& code) {
  auto program = FilterProgram::verify(code);
  REQUIRE_MESSAGE(program, program.error().message);
  return *std::move(program);
}
FilterProgram compiled(const std::string& expression) {
  const auto code = compileExpression(expression);
  REQUIRE_MESSAGE(code, code.error().message);
  return verified(*code);
}
bool accepts(const FilterProgram& program, const Bytes& frame) {
  return program.accepts(frame.data(), static_cast<std::uint32_t>(frame.size()));
}

/// The value of A after `code` on the frame 00 01 .. 0f, or nothing if the program stopped on the way.
bool leavesInA(Code code, std::uint32_t expected) {
  Bytes frame(16);
  for (std::size_t index = 0; index < frame.size(); ++index) frame[index] = static_cast<std::uint8_t>(index);
  code.insert(code.end(), {jump(BPF_JEQ | BPF_K, expected, 0, 1), acceptAll, reject});
  return accepts(verified(code), frame);
}

std::string refusal(const Code& code) {
  const auto program = FilterProgram::verify(code);
  return program ? "" : program.error().message;
}

/// A socket pair whose receiving end has the program attached: the kernel's verifier and interpreter.
class KernelFilter {
 public:
  explicit KernelFilter(const Code& code) {
    int ends[2];
    REQUIRE(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
    sender_ = Fd(ends[0]);
    receiver_ = Fd(ends[1]);
    // SAFETY: the implementation asserts that the two structures have the same layout; the kernel only reads.
    sock_fprog program{static_cast<unsigned short>(code.size()),
                       reinterpret_cast<sock_filter*>(const_cast<FilterInstruction*>(code.data()))};
    attached_ = setsockopt(receiver_.get(), SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) == 0;
    if (!attached_) REQUIRE(errno == EINVAL);
  }

  [[nodiscard]] bool attached() const { return attached_; }
  [[nodiscard]] bool accepts(const Bytes& frame) const {
    REQUIRE(send(sender_.get(), frame.data(), frame.size(), 0) == static_cast<ssize_t>(frame.size()));
    std::uint8_t byte = 0;
    if (recv(receiver_.get(), &byte, sizeof byte, 0) >= 0) return true;
    REQUIRE(errno == EAGAIN);
    return false;
  }

 private:
  Fd sender_;
  Fd receiver_;
  bool attached_ = false;
};

void put16(Bytes& frame, std::size_t at, std::uint32_t value) {
  frame[at] = static_cast<std::uint8_t>(value >> 8);
  frame[at + 1] = static_cast<std::uint8_t>(value);
}

constexpr std::array expressions{
    "ip",
    "ip6",
    "arp",
    "tcp",
    "udp port 53",
    "tcp port 80 or udp port 53",
    "port 53 and not tcp",
    "portrange 50-90",
    "host 10.0.0.1",
    "src net 10.0.0.0/30",
    "ip6 host fd00::1",
    "dst net fd00::/64",
    "ether src 02:00:00:00:00:01",
    "ether multicast",
    "broadcast or arp",
    "vlan",
    "vlan 5 and tcp port 80",
    "vlan and ip host 10.0.0.1",
    "vlan and vlan and udp",
    "icmp[icmptype] == icmp-echo",
    "tcp[tcpflags] & (tcp-syn|tcp-fin) != 0",
    "greater 60",
    "less 100 and ip",
    "len % 7 == 3",
    "ip[2:2] > 80",
    "ip[4:2] & 1 == 1",
    "vlan and ip[2:2] > 80",
    "ip6[4:2] > 60",
    "ip[8] < 30",
    "ether[ether[0] & 7] > 64",
    "ip and udp[4:2] * 3 / 2 > 40",
    "ether[20:4] / ether[14] > 1000000",
    "not (tcp and (port 80 or port 443)) and not ip6",
};

/// Frames that the expressions above tell apart: few addresses and ports, up to three tags, some cut short.
Bytes someFrame(Random& random) {
  Bytes frame(14 + below(random, 120));
  for (auto& byte : frame) byte = static_cast<std::uint8_t>(random());
  frame.resize(frame.size() + 70);
  if (below(random, 2)) std::memcpy(&frame[6], "\x02\0\0\0\0\x01", 6);
  if (below(random, 8) == 0) std::memset(frame.data(), 0xff, 6);
  std::size_t at = 12;
  for (std::uint32_t tags = below(random, 4) ? 0 : 1 + below(random, 3); tags > 0; --tags, at += 4) {
    put16(frame, at, below(random, 3) ? 0x8100 : 0x88a8);
    put16(frame, at + 2, 4 + below(random, 3));
  }
  const std::uint32_t kind = below(random, 8);
  put16(frame, at, kind == 0 ? 0x0806 : kind < 3 ? 0x86dd : 0x0800);
  const std::size_t ip = at + 2;
  constexpr std::array<std::uint8_t, 7> protocols{1, 6, 6, 17, 17, 58, 132};
  const std::uint8_t protocol = protocols[below(random, protocols.size())];
  std::size_t transport = 0;
  if (kind < 3) {
    frame[ip + 6] = protocol;
    for (const std::size_t address : {ip + 8, ip + 24}) {
      if (below(random, 2)) std::memcpy(&frame[address], "\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 15);
      frame[address + 15] = static_cast<std::uint8_t>(below(random, 3));
    }
    transport = ip + 40;
  } else {
    frame[ip] = static_cast<std::uint8_t>(0x45 + (below(random, 4) ? 0 : below(random, 3)));
    put16(frame, ip + 6, below(random, 6) ? 0x4000 : 0x2001);
    frame[ip + 9] = protocol;
    for (const std::size_t address : {ip + 12, ip + 16}) {
      std::memcpy(&frame[address], "\x0a\0\0", 3);
      frame[address + 3] = static_cast<std::uint8_t>(below(random, 6));
    }
    transport = ip + (frame[ip] & 0xfU) * 4;
  }
  constexpr std::array<std::uint32_t, 5> ports{53, 80, 443, 50000, 0x0800};  // 8 is ICMP's echo
  put16(frame, transport, ports[below(random, ports.size())]);
  put16(frame, transport + 2, ports[below(random, ports.size())]);
  if (below(random, 10) == 0) frame.resize(below(random, static_cast<std::uint32_t>(frame.size())));
  return frame;
}

constexpr std::array<int, 46> codes{
    BPF_LD | BPF_W | BPF_ABS,
    BPF_LD | BPF_H | BPF_ABS,
    BPF_LD | BPF_B | BPF_ABS,
    BPF_LD | BPF_W | BPF_IND,
    BPF_LD | BPF_H | BPF_IND,
    BPF_LD | BPF_B | BPF_IND,
    BPF_LDX | BPF_B | BPF_MSH,
    BPF_LD | BPF_IMM,
    BPF_LDX | BPF_IMM,
    BPF_LD | BPF_W | BPF_LEN,
    BPF_LDX | BPF_W | BPF_LEN,
    BPF_LD | BPF_MEM,
    BPF_LDX | BPF_MEM,
    BPF_ST,
    BPF_STX,
    BPF_MISC | BPF_TAX,
    BPF_MISC | BPF_TXA,
    BPF_ALU | BPF_ADD | BPF_K,
    BPF_ALU | BPF_ADD | BPF_X,
    BPF_ALU | BPF_SUB | BPF_K,
    BPF_ALU | BPF_SUB | BPF_X,
    BPF_ALU | BPF_MUL | BPF_K,
    BPF_ALU | BPF_MUL | BPF_X,
    BPF_ALU | BPF_DIV | BPF_K,
    BPF_ALU | BPF_DIV | BPF_X,
    BPF_ALU | BPF_MOD | BPF_K,
    BPF_ALU | BPF_MOD | BPF_X,
    BPF_ALU | BPF_AND | BPF_K,
    BPF_ALU | BPF_AND | BPF_X,
    BPF_ALU | BPF_OR | BPF_K,
    BPF_ALU | BPF_OR | BPF_X,
    BPF_ALU | BPF_XOR | BPF_K,
    BPF_ALU | BPF_XOR | BPF_X,
    BPF_ALU | BPF_LSH | BPF_K,
    BPF_ALU | BPF_LSH | BPF_X,
    BPF_ALU | BPF_RSH | BPF_K,
    BPF_ALU | BPF_RSH | BPF_X,
    BPF_ALU | BPF_NEG,
    BPF_JMP | BPF_JA,
    BPF_JMP | BPF_JEQ | BPF_K,
    BPF_JMP | BPF_JGT | BPF_X,
    BPF_JMP | BPF_JGE | BPF_K,
    BPF_JMP | BPF_JSET | BPF_X,
    BPF_JMP | BPF_JGT | BPF_K,
    BPF_RET | BPF_K,
    BPF_RET | BPF_A,
};

/// Mostly plausible instructions; with `flaws`, some of them not.
Code someCode(Random& random, bool flaws) {
  Code code(2 + below(random, 24));
  for (std::size_t at = 0; at < code.size(); ++at) {
    const auto following = static_cast<std::uint32_t>(code.size() - at);
    auto& instruction = code[at];
    instruction.code = static_cast<std::uint16_t>(codes[below(random, codes.size() - 2)]);
    instruction.k = below(random, 4) ? below(random, 16) : static_cast<std::uint32_t>(random());
    const int kind = BPF_CLASS(instruction.code);
    if (kind == BPF_LD || kind == BPF_LDX) instruction.k = below(random, 64);
    if (kind == BPF_JMP) {
      instruction.jt = static_cast<std::uint8_t>(below(random, following));
      instruction.jf = static_cast<std::uint8_t>(below(random, following));
    }
    if (instruction.code == (BPF_JMP | BPF_JA)) instruction.k = below(random, following);
    if (flaws && below(random, 40) == 0) instruction.code = static_cast<std::uint16_t>(below(random, 0x120));
    if (flaws && below(random, 60) == 0) instruction.k = 0xfffff000 + below(random, 64);
  }
  if (!flaws || below(random, 8)) code.back() = returnA;
  return code;
}

bool loadsAtNegativeOffset(const Code& code) {
  for (const auto& [operation, jt, jf, k] : code) {
    const int kind = BPF_CLASS(operation);
    const int mode = BPF_MODE(operation);
    const bool fromFrame = mode == BPF_ABS || mode == BPF_IND || mode == BPF_MSH;
    if ((kind == BPF_LD || kind == BPF_LDX) && fromFrame && k >> 31) return true;
  }
  return false;
}

}  // namespace

TEST_CASE("a filter program loads in network order and computes in 32 bits") {
  CHECK(leavesInA({statement(BPF_LD | BPF_W | BPF_ABS, 1)}, 0x01020304));
  CHECK(leavesInA({statement(BPF_LD | BPF_H | BPF_ABS, 14)}, 0x0e0f));
  CHECK(leavesInA({statement(BPF_LD | BPF_B | BPF_ABS, 15)}, 15));
  CHECK(leavesInA({statement(BPF_LDX | BPF_IMM, 3), statement(BPF_LD | BPF_H | BPF_IND, 2)}, 0x0506));
  CHECK(leavesInA({statement(BPF_LDX | BPF_IMM, 0xffffffff), statement(BPF_LD | BPF_B | BPF_IND, 9)}, 8));
  CHECK(leavesInA({statement(BPF_LDX | BPF_B | BPF_MSH, 7), statement(BPF_MISC | BPF_TXA)}, 28));
  CHECK(leavesInA({statement(BPF_LD | BPF_W | BPF_LEN)}, 16));
  CHECK(leavesInA({statement(BPF_LD | BPF_IMM, 7), statement(BPF_ALU | BPF_SUB | BPF_K, 8)}, 0xffffffff));
  CHECK(leavesInA({statement(BPF_LD | BPF_IMM, 7), statement(BPF_ALU | BPF_NEG)}, 0xfffffff9));
  CHECK(leavesInA({statement(BPF_LD | BPF_IMM, 23), statement(BPF_ALU | BPF_MOD | BPF_K, 7)}, 2));
  CHECK(leavesInA({statement(BPF_LDX | BPF_IMM, 33), statement(BPF_LD | BPF_IMM, 1),
                   statement(BPF_ALU | BPF_LSH | BPF_X)},
                  2));
  CHECK(leavesInA({statement(BPF_LD | BPF_IMM, 5), statement(BPF_ST, 15), statement(BPF_LD | BPF_IMM),
                   statement(BPF_LDX | BPF_MEM, 15), statement(BPF_MISC | BPF_TXA)},
                  5));
  CHECK(leavesInA(
      {statement(BPF_LD | BPF_IMM, 6), jump(BPF_JSET | BPF_K, 4, 1, 0), statement(BPF_LD | BPF_IMM, 9),
       statement(BPF_JMP | BPF_JA, 1), statement(BPF_LD | BPF_IMM, 9)},
      6));
}

TEST_CASE("a load beyond the frame and a division by zero drop the frame") {
  const Bytes frame(16, 1);
  CHECK(accepts(verified({statement(BPF_LD | BPF_W | BPF_ABS, 12), acceptAll}), frame));
  CHECK_FALSE(accepts(verified({statement(BPF_LD | BPF_W | BPF_ABS, 13), acceptAll}), frame));
  CHECK_FALSE(accepts(verified({statement(BPF_LD | BPF_B | BPF_ABS, 0x7fffffff), acceptAll}), frame));
  CHECK_FALSE(accepts(
      verified({statement(BPF_LDX | BPF_IMM, 16), statement(BPF_LD | BPF_B | BPF_IND), acceptAll}), frame));
  CHECK_FALSE(accepts(
      verified({statement(BPF_LDX | BPF_IMM, 0xfffffffe), statement(BPF_LD | BPF_W | BPF_IND), acceptAll}),
      frame));
  CHECK_FALSE(accepts(verified({statement(BPF_LDX | BPF_B | BPF_MSH, 16), acceptAll}), frame));
  CHECK_FALSE(accepts(verified({statement(BPF_ALU | BPF_DIV | BPF_X), acceptAll}), frame));
  CHECK_FALSE(accepts(verified({statement(BPF_ALU | BPF_MOD | BPF_X), acceptAll}), frame));
  CHECK_FALSE(accepts(verified({statement(BPF_LD | BPF_B | BPF_ABS), acceptAll}), {}));
}

TEST_CASE("the verifier says which instruction is wrong, and why") {
  CHECK(refusal({}).find("1 to 4096 instructions, not 0") != std::string::npos);
  CHECK(refusal(Code(4097, acceptAll)).find("not 4097") != std::string::npos);
  CHECK(FilterProgram::verify(Code(4096, acceptAll)));
  CHECK(refusal({statement(BPF_LD | BPF_IMM)}).find("instruction 0 is the last one but does not return") !=
        std::string::npos);
  CHECK(refusal({acceptAll, {0x0fff, 0, 0, 0}, acceptAll}).find("instruction 1 is not a classic BPF") !=
        std::string::npos);
  CHECK(refusal({jump(BPF_JEQ | BPF_K, 0, 0, 1), acceptAll}).find("jumps out") != std::string::npos);
  CHECK(refusal({statement(BPF_JMP | BPF_JA, 0xffffffff), acceptAll}).find("jumps out") != std::string::npos);
  CHECK(refusal({statement(BPF_ST, 16), acceptAll}).find("memory slot") != std::string::npos);
  CHECK(refusal({statement(BPF_ALU | BPF_DIV | BPF_K, 0), acceptAll}).find("zero") != std::string::npos);
  CHECK(refusal({statement(BPF_ALU | BPF_LSH | BPF_K, 32), acceptAll}).find("31 bits") != std::string::npos);
  CHECK(refusal({statement(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(SKF_AD_OFF + SKF_AD_PKTTYPE)),
                 acceptAll})
            .find("negative offset") != std::string::npos);
  // One way to the load stores the slot, the other does not.
  CHECK(refusal(
            {jump(BPF_JEQ | BPF_K, 0, 0, 1), statement(BPF_ST, 3), statement(BPF_LD | BPF_MEM, 3), acceptAll})
            .find("instruction 2 loads a memory slot") != std::string::npos);
}

TEST_CASE("the verifier and the kernel's agree on every code and on random programs") {
  for (std::uint32_t code = 0; code < 0x400; ++code) {
    CAPTURE(code);
    const Code single{statement(BPF_ST, 1), statement(static_cast<int>(code), 1), reject, reject};
    CHECK(bool(FilterProgram::verify(single)) == KernelFilter(single).attached());
  }
  Random random(1);
  std::array<int, 2> verdicts{};
  for (int round = 0; round < 4000; ++round) {
    const Code code = someCode(random, true);
    const bool ours = bool(FilterProgram::verify(code));
    const bool kernels = KernelFilter(code).attached();
    CAPTURE(round);
    if (ours || !loadsAtNegativeOffset(code)) CHECK(ours == kernels);
    if (loadsAtNegativeOffset(code)) CHECK_FALSE(ours);
    ++verdicts[ours];
  }
  CHECK(verdicts[0] > 500);
  CHECK(verdicts[1] > 500);
}

TEST_CASE("compiled expressions give the kernel's verdict on every frame") {
  Random random(2);
  std::vector<Bytes> frames(2000);
  for (auto& frame : frames) frame = someFrame(random);
  for (const std::string expression : expressions) {
    CAPTURE(expression);
    const auto code = compileExpression(expression);
    REQUIRE(code);
    const FilterProgram program = verified(*code);
    const KernelFilter kernel(*code);
    REQUIRE(kernel.attached());
    std::array<int, 2> verdicts{};
    for (const auto& frame : frames) {
      const bool ours = accepts(program, frame);
      REQUIRE(ours == kernel.accepts(frame));
      ++verdicts[ours];
    }
    CHECK(verdicts[0] > 0);
    CHECK(verdicts[1] > 0);
  }
}

TEST_CASE("random programs give the kernel's verdict on every frame") {
  Random random(3);
  int programs = 0;
  std::array<int, 2> verdicts{};
  while (programs < 500) {
    const Code code = someCode(random, false);
    const auto program = FilterProgram::verify(code);
    if (!program) continue;
    ++programs;
    const KernelFilter kernel(code);
    REQUIRE(kernel.attached());
    for (int count = 0; count < 100; ++count) {
      const Bytes frame = someFrame(random);
      const bool ours = accepts(*program, frame);
      CAPTURE(programs);
      REQUIRE(ours == kernel.accepts(frame));
      ++verdicts[ours];
    }
  }
  CHECK(verdicts[0] > 5000);
  CHECK(verdicts[1] > 5000);
}

TEST_CASE("readsBeyondHeaders tells the expressions that may judge segments differently") {
  for (const std::string expression :
       {"ip", "ip6 or arp", "tcp port 80", "udp portrange 50-90", "host 10.0.0.1", "src net 10.0.0.0/30",
        "ip6 host fd00::1", "ether src 02:00:00:00:00:01", "vlan 5 and tcp port 80",
        "vlan and vlan and ip6 and udp", "not (tcp and (port 80 or port 443)) and not ip6", "ip[8] < 30",
        "ip[1] & 3 == 3", "arp[6:2] == 1"}) {
    CAPTURE(expression);
    CHECK_FALSE(compiled(expression).readsBeyondHeaders());
  }
  for (const char* expression : {"greater 60", "len % 7 == 3", "ip[2:2] > 80", "ip[4:2] & 1 == 1",
                                 "ip[10:2] != 0", "vlan and ip[2:2] > 80", "vlan and vlan and ip[4:2] > 80",
                                 "ip6[4:2] > 60", "tcp[tcpflags] & tcp-fin != 0", "udp[4:2] > 40",
                                 "ether[ether[0] & 7] > 64", "ether[54:2] == 80", "ip6[44:4] > 7"}) {
    CAPTURE(expression);
    CHECK(compiled(expression).readsBeyondHeaders());
  }
}

TEST_CASE("a program that does not read beyond headers judges all segments alike") {
  Random random(4);
  std::vector<FilterProgram> programs;
  for (const char* expression : expressions) programs.push_back(compiled(expression));
  constexpr std::array<std::uint32_t, 10> interesting{12, 14, 16, 18, 20, 22, 24, 26, 34, 54};
  constexpr std::array<std::uint32_t, 5> types{0x0800, 0x86dd, 0x8100, 0x88a8, 17};
  while (programs.size() < 3000) {
    Code code = someCode(random, false);
    for (auto& instruction : code) {
      if (BPF_CLASS(instruction.code) == BPF_LD)
        instruction.k = interesting[below(random, interesting.size())];
      if (instruction.code == (BPF_LD | BPF_W | BPF_LEN)) instruction.code = BPF_LD | BPF_H | BPF_ABS;
      if (instruction.code == (BPF_JMP | BPF_JEQ | BPF_K)) instruction.k = types[below(random, types.size())];
    }
    if (auto program = FilterProgram::verify(code)) programs.push_back(*std::move(program));
  }
  std::array<int, 2> counts{};
  for (const auto& program : programs) ++counts[program.readsBeyondHeaders()];
  CHECK(counts[0] > 300);
  CHECK(counts[1] > 300);

  int different = 0;
  for (int round = 0; round < 300; ++round) {
    // A TCP or UDP super-frame under zero to two tags, and one of its segments.
    const std::size_t ip = 14 + 4 * below(random, 3);
    const bool version4 = below(random, 2);
    Bytes whole(ip + 40 + 8 + 400);
    for (auto& byte : whole) byte = static_cast<std::uint8_t>(random());
    for (std::size_t at = 12; at < ip - 2; at += 4) put16(whole, at, below(random, 2) ? 0x8100 : 0x88a8);
    put16(whole, ip - 2, version4 ? 0x0800 : 0x86dd);
    if (version4) whole[ip] = 0x45;
    whole[ip + (version4 ? 9 : 6)] = below(random, 2) ? 6 : 17;
    if (version4) put16(whole, ip + 6, 0x4000);

    Bytes segment = whole;
    segment.resize(ip + 40 + 8 + 100);
    for (const std::size_t field :
         version4 ? std::vector<std::size_t>{2, 4, 10} : std::vector<std::size_t>{4})
      put16(segment, ip + field, below(random, 0x10000));
    for (std::size_t at = ip + (version4 ? 24 : 44); at < segment.size(); ++at)
      segment[at] = static_cast<std::uint8_t>(random());

    for (const auto& program : programs) {
      const bool alike = accepts(program, whole) == accepts(program, segment);
      if (!program.readsBeyondHeaders()) REQUIRE(alike);
      different += !alike;
    }
  }
  CHECK(different > 100);
}

TEST_CASE("what is known on only one of two ways that meet is not relied on") {
  const Code oneWayHoldsTheType{statement(BPF_LD | BPF_B | BPF_ABS, 0),  jump(BPF_JEQ | BPF_K, 2, 0, 2),
                                statement(BPF_LD | BPF_H | BPF_ABS, 12), statement(BPF_JMP | BPF_JA, 1),
                                statement(BPF_LD | BPF_IMM, 0x0800),     jump(BPF_JEQ | BPF_K, 0x0800, 0, 1),
                                statement(BPF_LD | BPF_H | BPF_ABS, 20), returnA};
  CHECK(verified(oneWayHoldsTheType).readsBeyondHeaders());
  const Code oneWayHoldsTheHeaderLength{statement(BPF_LD | BPF_H | BPF_ABS, 12),
                                        jump(BPF_JEQ | BPF_K, 0x0800, 0, 6),
                                        statement(BPF_LD | BPF_B | BPF_ABS, 0),
                                        jump(BPF_JEQ | BPF_K, 2, 0, 2),
                                        statement(BPF_LDX | BPF_B | BPF_MSH, 14),
                                        statement(BPF_JMP | BPF_JA, 1),
                                        statement(BPF_LDX | BPF_IMM, 50),
                                        statement(BPF_LD | BPF_H | BPF_IND, 14),
                                        returnA};
  CHECK(verified(oneWayHoldsTheHeaderLength).readsBeyondHeaders());
}
