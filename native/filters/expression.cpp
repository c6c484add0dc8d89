// The few functions of libpcap that compile a filter, declared here so that no header is needed to build, and
// found at run time so that no library is needed to install. Called at set-up, on any thread.
#include "filters/expression.hpp"

#include <dlfcn.h>

#include <memory>
#include <mutex>
#include <optional>
#include <type_traits>

namespace etherloom {
namespace {

struct PcapHandle;  // pcap_t

struct PcapProgram {  // struct bpf_program
  unsigned int size = 0;
  FilterInstruction* instructions = nullptr;
};

struct Libpcap {
  PcapHandle* (*openDead)(int linkType, int snapshotLength) = nullptr;
  int (*compile)(PcapHandle*, PcapProgram*, const char* expression, int optimize,
                 std::uint32_t netmask) = nullptr;
  char* (*lastError)(PcapHandle*) = nullptr;
  void (*freeProgram)(PcapProgram*) = nullptr;
  void (*close)(PcapHandle*) = nullptr;

  /// Stays loaded for the life of the process; dlerror() tells why when there is none.
  static std::optional<Libpcap> load() {
    void* library = dlopen("libpcap.so.0.8", RTLD_NOW | RTLD_LOCAL);  // Debian's name for it
    if (!library) library = dlopen("libpcap.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!library) return std::nullopt;
    Libpcap found;
    const auto find = [library](auto& function, const char* name) {
      // SAFETY: the types above are those of pcap.h, which have not changed since libpcap 1.0.
      function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(dlsym(library, name));
      return function != nullptr;
    };
    const bool complete = find(found.openDead, "pcap_open_dead") && find(found.compile, "pcap_compile") &&
                          find(found.lastError, "pcap_geterr") && find(found.freeProgram, "pcap_freecode") &&
                          find(found.close, "pcap_close");
    return complete ? std::optional(found) : std::nullopt;
  }
};

constexpr int linkTypeEthernet = 1;
constexpr int snapshotLength = 65535;
constexpr std::uint32_t netmaskUnknown = 0xffffffff;

Error refusal(const std::string& expression, const std::string& why) {
  return {0, "", "the filter '" + expression + "' cannot be compiled: " + why};
}

}  // namespace

Result<std::vector<FilterInstruction>> compileExpression(const std::string& expression) {
  if (expression.find_first_not_of(" \t\r\n") == std::string::npos)
    return refusal(expression, "it is empty; leave the filter out to pass every frame");
  if (expression.find('\0') != std::string::npos) return refusal(expression.c_str(), "a zero byte follows");

  // pcap_compile is not re-entrant before libpcap 1.8.
  static std::mutex compiling;
  const std::lock_guard guard(compiling);
  static std::optional<Libpcap> pcap;
  if (!pcap) pcap = Libpcap::load();
  if (!pcap) {
    const char* why = dlerror();
    return refusal(expression,
                   "install the Debian package libpcap0.8, or write the filter as a match object (" +
                       std::string(why ? why : "this libpcap lacks a function") + ')');
  }

  const std::unique_ptr<PcapHandle, void (*)(PcapHandle*)> handle(
      pcap->openDead(linkTypeEthernet, snapshotLength), pcap->close);
  if (!handle) return refusal(expression, "libpcap has no memory left");
  PcapProgram program;
  if (pcap->compile(handle.get(), &program, expression.c_str(), 1, netmaskUnknown) != 0)
    return refusal(expression, pcap->lastError(handle.get()));
  std::vector<FilterInstruction> instructions(program.instructions, program.instructions + program.size);
  pcap->freeProgram(&program);
  return instructions;
}

}  // namespace etherloom
