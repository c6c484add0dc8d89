// Opens, makes and enters network namespaces. Every switch happens on a thread of its own that ends right
// after.
#include "os/namespace.hpp"

#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <sys/ioctl.h>

#include <thread>

namespace etherloom {

namespace {

Result<void> onOwnThread(const std::function<void()>& work) {
  return unlessShort("cannot start a thread to enter a network namespace", [&work]() -> Result<void> {
    std::thread(work).join();
    return {};
  });
}

/// The failure of `call`; EPERM says what is missing.
Error callRefused(std::string call, const std::string& what) {
  if (errno != EPERM) return Error::last(std::move(call), what);
  return Error::last(std::move(call), what + ": " + needsCapability("CAP_SYS_ADMIN"));
}

}  // namespace

Result<NetworkNamespace> NetworkNamespace::open(const std::string& pathOrName) {
  const bool isName = pathOrName.find('/') == std::string::npos;
  const std::string path = isName ? "/run/netns/" + pathOrName : pathOrName;
  Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) {
    std::string message = "cannot open the network namespace '" + pathOrName + "'";
    if (errno == ENOENT && isName) message += ": there is no " + path + "; `ip netns add NAME` makes one";
    return Error::last("open", std::move(message));
  }
  if (ioctl(fd.get(), NS_GET_NSTYPE) != CLONE_NEWNET)
    return Error{EINVAL, "ioctl NS_GET_NSTYPE", "'" + path + "' is not a network namespace"};
  return NetworkNamespace(std::move(fd), pathOrName);
}

Result<NetworkNamespace> NetworkNamespace::create() {
  std::optional<Result<NetworkNamespace>> made;
  const Result<void> ran = onOwnThread([&made] {
    if (unshare(CLONE_NEWNET) == 0)
      made = current();
    else
      made = callRefused("unshare", "cannot create a network namespace");
  });
  if (!ran) return ran.error();
  if (*made) return NetworkNamespace(std::move((**made).fd_), "(anonymous)");
  return std::move(*made);
}

Result<NetworkNamespace> NetworkNamespace::current() { return open("/proc/thread-self/ns/net"); }

Result<void> NetworkNamespace::run(const std::function<void()>& work) const {
  Result<void> entered;
  const Result<void> ran = onOwnThread([&] {
    if (setns(fd_.get(), CLONE_NEWNET) == 0)
      work();
    else
      entered = callRefused("setns", "cannot enter the network namespace '" + name_ + "'");
  });
  return ran ? entered : ran;
}

}  // namespace etherloom
