// Two Unix sockets that are each other's peers: one for a port, one for a program that is started with it.
// Called by the binding, on JavaScript's thread.
#pragma once

#include <sys/socket.h>

#include <array>

#include "os/error.hpp"
#include "os/fd.hpp"

namespace etherloom {

/// `type` is SOCK_STREAM, SOCK_DGRAM or SOCK_SEQPACKET. Both go at an exec, unless they are handed on.
[[nodiscard]] inline Result<std::array<Fd, 2>> socketPair(int type) {
  std::array<int, 2> numbers{};
  if (::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, numbers.data()) != 0)
    return Error::last("socketpair", "cannot make a pair of sockets");
  return std::array<Fd, 2>{Fd(numbers[0]), Fd(numbers[1])};
}

}  // namespace etherloom
