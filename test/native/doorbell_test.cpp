// The doorbell: readable once rung, silent once cleared.
#include "os/doorbell.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>

#include <thread>

using namespace etherloom;

namespace {

bool isRinging(const Doorbell& doorbell, int timeoutMs = 0) {
  pollfd watched{doorbell.fd(), POLLIN, 0};
  return poll(&watched, 1, timeoutMs) == 1;
}

}  // namespace

TEST_CASE("doorbell: rings once for many rings, and is cleared by one clear") {
  auto doorbell = Doorbell::create();
  REQUIRE(doorbell);
  CHECK_FALSE(isRinging(*doorbell));
  for (int i = 0; i < 1000; ++i) doorbell->ring();
  CHECK(isRinging(*doorbell));
  doorbell->clear();
  CHECK_FALSE(isRinging(*doorbell));
  doorbell->clear();  // would hang if it blocked
  doorbell->ring();
  CHECK(isRinging(*doorbell));
}

TEST_CASE("doorbell: wakes a waiting thread from another one") {
  auto doorbell = Doorbell::create();
  REQUIRE(doorbell);
  std::thread other([&] { doorbell->ring(); });
  CHECK(isRinging(*doorbell, 60'000));
  other.join();
}

TEST_CASE("doorbell: is not inherited by child processes") {
  auto doorbell = Doorbell::create();
  REQUIRE(doorbell);
  CHECK((fcntl(doorbell->fd(), F_GETFD) & FD_CLOEXEC) != 0);
}
