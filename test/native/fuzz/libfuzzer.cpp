// The entry of libFuzzer: runs the one target that is linked with it.
#include "target.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const etherloom::fuzz::Run run = etherloom::fuzz::targets().begin()->second;
  run({data, size});
  return 0;
}
