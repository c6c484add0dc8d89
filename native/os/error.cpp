#include "os/error.hpp"

#include <unistd.h>

#include <cstdio>
#include <memory>

namespace etherloom {
namespace {

/// Whether we are root of a user namespace, but not of the machine's.
bool isRootOfUserNamespace() {
  if (geteuid() != 0) return false;
  // Not a stream of C++: the whole of its locales would be in the prebuilt addons for it.
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> map(std::fopen("/proc/self/uid_map", "re"),
                                                            std::fclose);
  unsigned long first = 0, outside = 0, count = 0;
  if (!map || std::fscanf(map.get(), "%lu %lu %lu", &first, &outside, &count) != 3) return false;
  return first != 0 || outside != 0 || count != 4294967295;
}

}  // namespace

std::string needsCapability(const std::string& capability) {
  const std::string needs = "this needs " + capability;
  if (isRootOfUserNamespace())
    return needs +
           ", which this user namespace does not give: a container, or a security module such as AppArmor, "
           "takes it away; see 'etherloom doctor'";
  return needs +
         ": run as root, or give the program that capability (setcap), or run in a user namespace of your "
         "own (etherloom up --rootless)";
}

}  // namespace etherloom
