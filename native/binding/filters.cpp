// Filters, for JavaScript.
#include "binding/call.hpp"
#include "binding/exports.hpp"
#include "filters/expression.hpp"

namespace etherloom {
namespace {

/// compileExpression(text) → Uint8Array of instructions
Napi::Value compile(Napi::Env env, std::string expression) {
  auto program = compileExpression(expression);
  if (!program) return raise(env, program.error());
  const std::size_t bytes = program->size() * sizeof(FilterInstruction);
  auto array = Napi::Uint8Array::New(env, bytes);
  std::memcpy(array.Data(), program->data(), bytes);
  return array;
}

/// verifyFilter(program) throws when the program is not one that may run
Result<void> verify(Napi::Env, Napi::Value program) {
  auto verified = FilterProgram::verify(instructions(program));
  if (!verified) return verified.error();
  return {};
}

const Exports filterExports{{"compileExpression", call<compile>}, {"verifyFilter", call<verify>}};

}  // namespace
}  // namespace etherloom
