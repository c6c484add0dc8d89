// What the tests of native/os share, and others borrow: a network namespace of their own (what a test makes
// in it goes with it, also when the test fails), frames to tell apart, a thread without rights, and one to
// which the kernel refuses a system call.
#pragma once

#include <doctest/doctest.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "os/fd.hpp"
#include "os/namespace.hpp"

namespace etherloom {

/// Its interfaces carry nothing but what the test sends, unless it asks for IPv6: with that the kernel sends
/// multicast listener reports and router solicitations at times of its own. Empty, with the reason in the
/// output, where this process may not create a namespace.
inline std::optional<NetworkNamespace> makeTestNamespace(bool ipv6 = false) {
  Result<NetworkNamespace> made = NetworkNamespace::create();
  if (!made) {
    if (made.error().number == EPERM)
      MESSAGE("skipped: ", made.error().message);
    else
      FAIL_CHECK(made.error().message);
    return std::nullopt;
  }
  REQUIRE(made->run([ipv6] {
    for (const char* which : {"all", "default"}) {
      const std::string file = std::string("/proc/sys/net/ipv6/conf/") + which + "/disable_ipv6";
      const Fd setting(open(file.c_str(), O_WRONLY | O_CLOEXEC));
      if (setting) CHECK(write(setting.get(), ipv6 ? "0" : "1", 1) == 1);  // a kernel without IPv6 has none
    }
  }));
  return *std::move(made);
}

/// Gives up every capability of the calling thread alone, which must be one that ends soon.
inline bool dropCapabilities() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct none[2]{};
  return syscall(SYS_capset, &header, none) == 0;
}

/// Makes a system call fail with `error`, for the calling thread, which must be one that ends soon, and those
/// that it starts. False where seccomp is not available.
inline bool refuseCall(long number, int error) {
  sock_filter program[]{
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(number), 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(error)),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog request{4, program};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &request) == 0;
}

using FrameBytes = std::array<std::uint8_t, 60>;

/// To a unicast address that nobody has, of an EtherType for experiments (IEEE 802 local), with `mark` as its
/// payload.
inline FrameBytes testFrame(std::uint8_t mark) {
  return {0x02, 0, 0, 0, 0, 0x99, 0x02, 0, 0, 0, 0, 0x98, 0x88, 0xb5, mark};
}

inline void sendFrame(const Fd& fd, const FrameBytes& frame) {
  REQUIRE(write(fd.get(), frame.data(), frame.size()) == static_cast<ssize_t>(frame.size()));
}

/// Waits until something can be read; a deadline guards against a hang.
inline bool waitReadable(const Fd& fd) {
  pollfd watched{fd.get(), POLLIN, 0};
  return poll(&watched, 1, 60'000) == 1;
}

/// The marks of the test frames on a descriptor, which begin `headerSize` bytes after the start of what is
/// read: waits for `expected` of them, then takes what else is there. The kernel's own frames (IPv6 neighbour
/// discovery) are passed over.
inline std::vector<int> receiveMarks(const Fd& fd, std::size_t expected, std::size_t headerSize = 0) {
  std::vector<int> marks;
  std::array<std::uint8_t, 2048> buffer;
  for (;;) {
    const ssize_t length = read(fd.get(), buffer.data(), buffer.size());
    if (length <= 0 && (marks.size() >= expected || !waitReadable(fd))) return marks;
    const std::uint8_t* const frame = buffer.data() + headerSize;
    if (length == static_cast<ssize_t>(headerSize + sizeof(FrameBytes)) && frame[12] == 0x88 &&
        frame[13] == 0xb5)
      marks.push_back(frame[14]);
  }
}

}  // namespace etherloom
