// pcap-filter expressions: what libpcap makes of them, its words for bad ones, and life without libpcap.
#include "filters/expression.hpp"

#include <doctest/doctest.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <string>
#include <thread>
#include <vector>

using namespace etherloom;

namespace {

std::string refusal(const std::string& expression) {
  const auto code = compileExpression(expression);
  return code ? "" : code.error().message;
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// A test case for a process of its own, where no descriptor is left to open the library with.
constexpr const char* withoutLibrary = "no libpcap: child";

}  // namespace

TEST_CASE("an expression becomes a program for Ethernet frames") {
  const auto code = compileExpression("arp");
  REQUIRE_MESSAGE(code, code.error().message);
  const auto program = FilterProgram::verify(*code);
  REQUIRE(program);
  std::vector<std::uint8_t> frame(60);
  CHECK_FALSE(program->accepts(frame.data(), 60));
  frame[12] = 0x08;
  frame[13] = 0x06;
  CHECK(program->accepts(frame.data(), 60));
}

TEST_CASE("a bad expression is refused in libpcap's words") {
  CHECK(contains(refusal("tcp prot 80"), "the filter 'tcp prot 80' cannot be compiled: "));
  CHECK(contains(refusal("tcp prot 80"), "syntax error"));
  CHECK(contains(refusal("port 65536"), "illegal port number 65536"));
  CHECK(contains(refusal("ip and arp"), "rejects all packets"));
}

TEST_CASE("an empty expression and one with a zero byte are refused") {
  CHECK(contains(refusal(""), "it is empty; leave the filter out"));
  CHECK(contains(refusal(" \t\n"), "it is empty"));
  CHECK(contains(refusal(std::string("arp\0or ip", 9)), "zero byte"));
}

TEST_CASE("expressions compile on several threads at once") {
  std::vector<std::thread> threads;
  std::vector<int> compiled(4);
  for (auto& count : compiled)
    threads.emplace_back([&count] {
      for (int round = 0; round < 50; ++round) count += bool(compileExpression("tcp port 80 or udp port 53"));
    });
  for (auto& thread : threads) thread.join();
  CHECK(compiled == std::vector<int>(4, 50));
}

TEST_CASE(withoutLibrary* doctest::skip()) {
  rlimit limit{};
  REQUIRE(getrlimit(RLIMIT_NOFILE, &limit) == 0);
  const rlimit none{0, limit.rlim_max};
  REQUIRE(setrlimit(RLIMIT_NOFILE, &none) == 0);
  const std::string message = refusal("tcp port 80");
  REQUIRE(setrlimit(RLIMIT_NOFILE, &limit) == 0);
  CHECK(contains(message, "install the Debian package libpcap0.8"));
  CHECK(contains(message, "libpcap.so"));
  CHECK(refusal("tcp port 80") == "");  // installed in the meantime
}

TEST_CASE("without libpcap the error names the package, and later expressions find it once it is installed") {
  std::string program = "/proc/self/exe";
  std::string name = std::string("--test-case=") + withoutLibrary;
  std::string run = "--no-skip";
  std::string quiet = "--minimal";
  char* arguments[] = {program.data(), name.data(), run.data(), quiet.data(), nullptr};
  pid_t child = 0;
  REQUIRE(posix_spawn(&child, program.c_str(), nullptr, nullptr, arguments, environ) == 0);
  int status = -1;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(status == 0);
}
