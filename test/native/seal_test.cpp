// What a sealed process cannot do with what it has open, or could make from that. Each test case seals a
// process of its own.
#include "os/seal.hpp"

#include <fcntl.h>
#include <linux/fs.h>
#include <linux/if_tun.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <functional>

#include "os_fixtures.hpp"

using namespace etherloom;

namespace {

struct Attempt {
  const char* what;
  std::function<long()> make;
};

/// What of these is not refused with EPERM in a sealed process; nothing where a process cannot be sealed.
std::optional<std::string> passing(const std::vector<Attempt>& attempts) {
  std::array<int, 2> ends{};
  REQUIRE(pipe2(ends.data(), O_CLOEXEC) == 0);
  const Fd reading(ends[0]);
  Fd writing(ends[1]);
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    if (!seal()) _exit(1);
    for (const Attempt& attempt : attempts) {
      errno = 0;
      if (attempt.make() < 0 && errno == EPERM) continue;
      const std::string said = std::string(attempt.what) + ' ';
      if (write(writing.get(), said.data(), said.size()) < 0) _exit(2);
    }
    _exit(0);
  }
  writing = {};
  std::string said;
  std::array<char, 256> piece{};
  for (ssize_t count; (count = read(reading.get(), piece.data(), piece.size())) > 0;)
    said.append(piece.data(), static_cast<std::size_t>(count));
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  if (WEXITSTATUS(status) == 1) {
    MESSAGE("skipped: a process cannot be sealed here");
    return std::nullopt;
  }
  CHECK(WEXITSTATUS(status) == 0);
  return said;
}

}  // namespace

TEST_CASE("a sealed process refuses what changes what it has open, or reaches beyond it") {
  // One that is written in memory and the process owns: what is refused here is not refused for another
  // reason.
  const Fd file(memfd_create("sealed", MFD_CLOEXEC));
  REQUIRE(file);
  const int fd = file.get();
  const std::string path = "/proc/self/fd/" + std::to_string(fd);
  const sockaddr nowhere{AF_UNSPEC, {}};
  std::array<int, 2> pair{};
  rlimit limit{};
  const auto passed = passing({
      {"open", [&] { return open(path.c_str(), O_RDWR | O_CLOEXEC); }},
      {"fchmod", [&] { return fchmod(fd, 0600); }},
      {"fchmodat2", [&] { return syscall(452, AT_FDCWD, path.c_str(), 0600, 0); }},
      {"fchown", [&] { return fchown(fd, geteuid(), getegid()); }},
      {"utimensat", [&] { return syscall(SYS_utimensat, fd, nullptr, nullptr, 0); }},
      {"fsetxattr", [&] { return syscall(SYS_fsetxattr, fd, "user.a", "b", 1, 0); }},
      {"fremovexattr", [&] { return syscall(SYS_fremovexattr, fd, "user.a"); }},
      {"FS_IOC_SETFLAGS", [&] { return ioctl(fd, FS_IOC_SETFLAGS, nullptr); }},
      {"TIOCSTI", [&] { return ioctl(fd, TIOCSTI, "x"); }},
      {"TUNSETIFF", [&] { return ioctl(fd, TUNSETIFF, nullptr); }},
      {"TUNSETPERSIST", [&] { return ioctl(fd, TUNSETPERSIST, 1); }},
      {"TUNSETOWNER", [&] { return ioctl(fd, TUNSETOWNER, 0); }},
      {"socketpair", [&] { return socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair.data()); }},
      {"connect", [&] { return connect(fd, &nowhere, sizeof nowhere); }},
      {"socket", [&] { return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0); }},
      {"mq_open", [&] { return syscall(SYS_mq_open, "sealed", O_RDONLY, 0, nullptr); }},
      {"shmget", [&] { return syscall(SYS_shmget, 0, 4096, 0600); }},
      {"prlimit", [&] { return syscall(SYS_prlimit64, getppid(), RLIMIT_NOFILE, nullptr, nullptr); }},
      {"setpriority", [&] { return setpriority(PRIO_PROCESS, 0, 0); }},
      {"kcmp", [&] { return syscall(SYS_kcmp, getpid(), getpid(), 0, fd, fd); }},
      // These are needed, by libraries too: they show that a refusal is one of this call.
      {"own-limit", [&] { return prlimit(0, RLIMIT_CORE, nullptr, &limit); }},
      {"netlink", [] { return socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0); }},
      {"ioctl", [&] { return ioctl(fd, FIONCLEX); }},
  });
  if (passed) CHECK(*passed == "own-limit netlink ioctl ");
}
