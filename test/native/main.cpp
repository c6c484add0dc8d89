// The entry point of the native test binary: the tests of the *_test.cpp files, or with --soak as its first
// argument the soak.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <string_view>

#include "soak/soak.hpp"

int main(int count, char** arguments) {
  if (count > 1 && std::string_view(arguments[1]) == "--soak")
    return etherloom::soak::main(count - 2, arguments + 2);
  return doctest::Context(count, arguments).run();
}
