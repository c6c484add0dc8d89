// Reads and writes files under /proc/sys, each of which is one setting.
#include "os/sysctl.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>

#include "os/fd.hpp"

namespace etherloom {

namespace {

/// More than any setting of a network stack has.
constexpr std::size_t mostBytes = 4096;

Result<std::string> readAll(const std::string& path) {
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!fd) return Error::last("open", "cannot read " + path);
  std::array<char, mostBytes> bytes;
  const ssize_t length = ::read(fd.get(), bytes.data(), bytes.size());
  if (length < 0) return Error::last("read", "cannot read " + path);
  std::string text(bytes.data(), static_cast<std::size_t>(length));
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

}  // namespace

Result<std::string> exchangeSysctl(const std::string& path, const std::optional<std::string>& value) {
  const std::string file = "/proc/sys/" + path;
  auto before = readAll(file);
  if (!before || !value) return before;
  const std::string what = "cannot write '" + *value + "' to " + file;
  const Fd fd(::open(file.c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!fd) return Error::last("open", what);
  if (::write(fd.get(), value->data(), value->size()) < 0) return Error::last("write", what);
  return before;
}

}  // namespace etherloom
