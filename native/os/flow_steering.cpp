// Theory of operation. The program is eBPF, written by hand: it reads header fields with the "absolute" and
// "indirect" loads of socket filters, which end the program with 0 (the first queue) where the frame is too
// short, and mixes each word into r7: xor, then a multiplication by an odd number. The driver takes the
// result modulo the number of queues. Registers: r0 what was read, r6 the frame (the loads want it there),
// r7 the hash, r8 the IP protocol, r9 the length of the IP header. (Documentation/bpf/standardization and
// Documentation/networking/filter of Linux.)
#include "os/flow_steering.hpp"

#include <linux/bpf.h>
#include <linux/if_tun.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>
#include <initializer_list>
#include <vector>

namespace etherloom {

namespace {

using Code = std::vector<bpf_insn>;

constexpr std::int32_t etherTypeIPv4 = 0x0800, etherTypeIPv6 = 0x86dd;
constexpr std::int32_t tcp = 6, udp = 17, sctp = 132;
constexpr std::int32_t multiplier =
    static_cast<std::int32_t>(0x9e3779b1);  // 2^32 / golden ratio; sign-extended

bpf_insn instruction(int code, int to, int from, std::size_t skip, std::int32_t value) {
  bpf_insn made{};
  made.code = static_cast<__u8>(code);
  made.dst_reg = static_cast<__u8>(to & 15);
  made.src_reg = static_cast<__u8>(from & 15);
  made.off = static_cast<__s16>(skip);
  made.imm = value;
  return made;
}
bpf_insn copy(int to, int from) { return instruction(BPF_ALU64 | BPF_MOV | BPF_X, to, from, 0, 0); }
bpf_insn set(int to, std::int32_t value) { return instruction(BPF_ALU64 | BPF_MOV | BPF_K, to, 0, 0, value); }
bpf_insn compute(int operation, int to, std::int32_t value) {
  return instruction(BPF_ALU64 | operation | BPF_K, to, 0, 0, value);
}
/// r0 = what stands at that byte of the frame.
bpf_insn load(int size, std::int32_t at) { return instruction(BPF_LD | size | BPF_ABS, 0, 0, 0, at); }
bpf_insn loadBehind(int size, int length, std::int32_t at) {
  return instruction(BPF_LD | size | BPF_IND, 0, length, 0, at);
}
bpf_insn skip(std::size_t instructions) { return instruction(BPF_JMP | BPF_JA, 0, 0, instructions, 0); }
bpf_insn skipIf(int comparison, int left, std::int32_t right, std::size_t instructions) {
  return instruction(BPF_JMP | comparison | BPF_K, left, 0, instructions, right);
}

void append(Code& code, std::initializer_list<bpf_insn> more) { code.insert(code.end(), more); }
void append(Code& code, const Code& more) { code.insert(code.end(), more.begin(), more.end()); }
void mix(Code& code, bpf_insn reading) {
  append(code,
         {reading, instruction(BPF_ALU64 | BPF_XOR | BPF_X, 7, 0, 0, 0), compute(BPF_MUL, 7, multiplier)});
}

/// start, others, IPv4, IPv6, ports, end: each part jumps over those behind it that do not concern it.
Code flowHash() {
  const Code end{copy(0, 7), compute(BPF_RSH, 0, 32), instruction(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)};

  Code readPorts;
  mix(readPorts, loadBehind(BPF_W, 9, 14));
  Code ports{skipIf(BPF_JEQ, 8, tcp, 2), skipIf(BPF_JEQ, 8, udp, 1),
             skipIf(BPF_JNE, 8, sctp, readPorts.size())};
  append(ports, readPorts);

  Code ipv6;
  for (std::int32_t at = 22; at < 54; at += 4) mix(ipv6, load(BPF_W, at));
  append(ipv6, {load(BPF_B, 20), copy(8, 0), set(9, 40)});

  const Code readLength{load(BPF_B, 14), compute(BPF_AND, 0, 15), compute(BPF_LSH, 0, 2), copy(9, 0),
                        skip(ipv6.size())};
  Code ipv4;
  mix(ipv4, load(BPF_W, 26));
  mix(ipv4, load(BPF_W, 30));
  append(ipv4, {load(BPF_B, 23), copy(8, 0), load(BPF_H, 20), compute(BPF_AND, 0, 0x3fff),  // a fragment?
                skipIf(BPF_JNE, 0, 0, readLength.size() + ipv6.size() + ports.size())});
  append(ipv4, readLength);

  Code others;
  for (std::int32_t at = 0; at < 12; at += 4) mix(others, load(BPF_W, at));
  mix(others, load(BPF_H, 12));
  append(others, {skip(ipv4.size() + ipv6.size() + ports.size())});

  Code program{copy(6, 1), set(7, 0), load(BPF_H, 12), skipIf(BPF_JEQ, 0, etherTypeIPv4, 1 + others.size()),
               skipIf(BPF_JEQ, 0, etherTypeIPv6, others.size() + ipv4.size())};
  for (const Code& part : {others, ipv4, ipv6, ports, end}) append(program, part);
  return program;
}

/// By number: older C libraries have no function for it.
Result<Fd> loadProgram(const Code& code) {
  bpf_attr request{};
  request.prog_type = BPF_PROG_TYPE_SOCKET_FILTER;
  request.insn_cnt = static_cast<__u32>(code.size());
  request.insns = reinterpret_cast<std::uintptr_t>(code.data());
  request.license = reinterpret_cast<std::uintptr_t>("");
  Fd program(static_cast<int>(syscall(SYS_bpf, BPF_PROG_LOAD, &request, sizeof request)));
  if (!program) return Error::last("bpf BPF_PROG_LOAD", "cannot load the program that steers flows");
  return program;
}

bool attach(const Fd& tap, int program) { return ioctl(tap.get(), TUNSETSTEERINGEBPF, &program) == 0; }

}  // namespace

Result<void> steerFlows(const Fd& tap) {
  const Result<Fd> program = loadProgram(flowHash());
  if (!program) return program.error();
  if (!attach(tap, program->get()))
    return Error::last("ioctl TUNSETSTEERINGEBPF", "cannot steer the flows of a TAP");
  return {};
}

void unsteer(const Fd& tap) noexcept { attach(tap, -1); }

}  // namespace etherloom
