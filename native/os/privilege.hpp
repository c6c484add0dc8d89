// The words for a missing capability, the same in every error. Called by os/ where the kernel answers EPERM.
#pragma once

#include <string>
#include <string_view>

namespace etherloom {

/// What is missing and the ways out, as the end of an error message.
inline std::string needsCapability(std::string_view capability) {
  return "this needs " + std::string(capability) +
         ": run as root, or give the program that capability (setcap), or run in a user namespace of your "
         "own "
         "(etherloom up --rootless)";
}

}  // namespace etherloom
