// By the system call statx(2) itself. stat(2) becomes code of the addon's own, with an errno of its own,
// where it is linked for an old glibc; and musl declares statx(2) only in its later versions.
#include "os/status.hpp"

#include <fcntl.h>
#include <linux/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace etherloom {
namespace {

std::optional<FileStatus> ask(int directory, const char* path, unsigned flags) {
  struct statx known {};
  if (syscall(SYS_statx, directory, path, flags, STATX_BASIC_STATS, &known) != 0) return {};
  FileStatus status;
  status.rights = known.stx_mode & 07777U;
  status.owner = known.stx_uid;
  status.isSocket = (known.stx_mode & S_IFMT) == S_IFSOCK;
  status.inode = known.stx_ino;
  status.deviceMajor = known.stx_dev_major;
  status.deviceMinor = known.stx_dev_minor;
  return status;
}

}  // namespace

std::optional<FileStatus> statusOf(const char* path) { return ask(AT_FDCWD, path, 0); }
std::optional<FileStatus> statusOfLink(const char* path) { return ask(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW); }
std::optional<FileStatus> statusOf(int descriptor) { return ask(descriptor, "", AT_EMPTY_PATH); }

}  // namespace etherloom
