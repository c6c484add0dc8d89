// pcap-filter(7) expressions, compiled by the machine's libpcap, which is loaded when the first one is met.
// Called at set-up, on any thread.
#pragma once

#include <string>
#include <vector>

#include "filters/program.hpp"
#include "os/error.hpp"

namespace etherloom {

/// Compiles `expression` for Ethernet frames. The caller has still to verify the program.
/// A host name in it is looked up here and now, which can take as long as the resolver does.
Result<std::vector<FilterInstruction>> compileExpression(const std::string& expression);

}  // namespace etherloom
