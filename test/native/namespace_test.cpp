// Network namespaces: opened, made and entered without moving the calling thread.
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <string>
#include <thread>

#include "os_fixtures.hpp"

using namespace etherloom;

namespace {

/// Two descriptors of one namespace have the same inode.
ino_t inodeOf(const NetworkNamespace& networkNamespace) {
  struct stat status {};
  REQUIRE(fstat(networkNamespace.fd(), &status) == 0);
  return status.st_ino;
}

ino_t currentInode() {
  struct stat status {};
  return stat("/proc/thread-self/ns/net", &status) == 0 ? status.st_ino : 0;
}

}  // namespace

TEST_CASE("namespace: the current one is the calling thread's") {
  auto current = NetworkNamespace::current();
  REQUIRE(current);
  CHECK(inodeOf(*current) == currentInode());
  CHECK((fcntl(current->fd(), F_GETFD) & FD_CLOEXEC) != 0);
}

TEST_CASE("namespace: work runs inside, the calling thread stays outside") {
  auto made = makeTestNamespace();
  if (!made) return;
  const ino_t outside = currentInode();
  CHECK(inodeOf(*made) != outside);
  CHECK((fcntl(made->fd(), F_GETFD) & FD_CLOEXEC) != 0);

  const auto inside = runIn(&*made, []() -> Result<ino_t> { return currentInode(); });
  REQUIRE(inside);
  CHECK(*inside == inodeOf(*made));
  CHECK(currentInode() == outside);

  const auto failed = runIn(&*made, []() -> Result<void> { return Error{ENOENT, "", "from inside"}; });
  REQUIRE_FALSE(failed);
  CHECK(failed.error().message == "from inside");
}

TEST_CASE("namespace: without a namespace, work runs on the calling thread") {
  const auto caller = std::this_thread::get_id();
  const auto ran = runIn(nullptr, []() -> Result<std::thread::id> { return std::this_thread::get_id(); });
  REQUIRE(ran);
  CHECK(*ran == caller);
}

TEST_CASE("namespace: a path is opened as it is, and must be a network namespace") {
  auto opened = NetworkNamespace::open("/proc/self/ns/net");
  REQUIRE(opened);
  CHECK(inodeOf(*opened) == currentInode());

  for (const char* path : {"/dev/null", "/proc/self/ns/mnt"}) {
    auto wrong = NetworkNamespace::open(path);
    REQUIRE_FALSE(wrong);
    CHECK(wrong.error().number == EINVAL);
    CHECK(wrong.error().message.find(path) != std::string::npos);
  }
}

TEST_CASE("namespace: a missing name is an error that says where it was looked for") {
  auto missing = NetworkNamespace::open("no-such-namespace");
  REQUIRE_FALSE(missing);
  CHECK(missing.error().number == ENOENT);
  CHECK(missing.error().message.find("/run/netns/no-such-namespace") != std::string::npos);
}

TEST_CASE("namespace: a name is one of /run/netns") {
  auto made = makeTestNamespace();
  if (!made) return;
  // A thread with mounts of its own, which end with it.
  Result<ino_t> opened = Error{EPERM, "mount", "cannot mount a private /run"};
  std::thread([&] {
    const std::string source = "/proc/self/fd/" + std::to_string(made->fd());
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        mount("none", "/run", "tmpfs", 0, nullptr) != 0 || mkdir("/run/netns", 0755) != 0)
      return;
    if (const Fd target(creat("/run/netns/blue", 0444)); !target) return;
    if (mount(source.c_str(), "/run/netns/blue", nullptr, MS_BIND, nullptr) != 0) return;
    const auto blue = NetworkNamespace::open("blue");
    struct stat status {};
    if (blue && fstat(blue->fd(), &status) == 0)
      opened = status.st_ino;
    else
      opened = Error{EINVAL, "", "not opened by name"};
  }).join();
  if (!opened && opened.error().number == EPERM) {
    MESSAGE("skipped: ", opened.error().message);
    return;
  }
  REQUIRE(opened);
  CHECK(*opened == inodeOf(*made));
}
