// Settings of a kernel's network stack, under /proc/sys. Called at set-up, on any thread; which namespace's
// they are follows from the thread (see runIn).
#pragma once

#include <optional>
#include <string>

#include "os/error.hpp"

namespace etherloom {

/// What the setting was; `value`, if there is one, is what it is from then on. `path` is below /proc/sys and
/// leads nowhere else: who calls this has checked it.
Result<std::string> exchangeSysctl(const std::string& path, const std::optional<std::string>& value);

}  // namespace etherloom
