// The seal of the process, for JavaScript.
#include "os/seal.hpp"

#include "binding/call.hpp"
#include "binding/exports.hpp"

namespace etherloom {
namespace {

/// seal()
Result<void> sealProcess(Napi::Env) { return seal(); }

const Exports sealExports{{"sealProcess", call<sealProcess>}};

}  // namespace
}  // namespace etherloom
