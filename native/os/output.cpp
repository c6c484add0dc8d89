#include "os/output.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>

namespace etherloom {

Result<Output> Output::file(const std::string& path) {
  Fd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NONBLOCK | O_CLOEXEC | O_NOCTTY, 0644));
  if (fd) return Output(std::move(fd), false);
  if (errno == ENXIO)
    return Error{ENXIO, "open", "nobody reads the FIFO " + path + "; start its reader before the capture"};
  return Error::last("open", "cannot write to " + path);
}

Result<Output> Output::socket(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path)
    return Error{ENAMETOOLONG, "", "the socket path " + path + " is too long"};
  std::memcpy(address.sun_path, path.data(), path.size());
  Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return Error::last("socket", "cannot make a socket");
  // SAFETY: sockaddr_un is what AF_UNIX's connect reads, and is as long as said.
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return Error::last("connect", "cannot reach the reader at " + path);
  return Output(std::move(fd), true);
}

Result<Output> Output::connected(int fd) {
  Fd own(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
  if (!own) return Error::last("fcntl", "cannot take the descriptor");
  const int flags = ::fcntl(own.get(), F_GETFL);
  if (flags < 0 || ::fcntl(own.get(), F_SETFL, flags | O_NONBLOCK) != 0)
    return Error::last("fcntl", "cannot take the descriptor");
  return Output(std::move(own), true);
}

Result<std::size_t> Output::write(std::span<const std::byte> bytes) noexcept {
  for (;;) {
    const ssize_t written = isSocket_ ? ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL)
                                      : ::write(fd_.get(), bytes.data(), bytes.size());
    if (written >= 0) return static_cast<std::size_t>(written);
    if (errno == EAGAIN) return std::size_t{0};
    if (errno != EINTR) return Error::last("write", "cannot write the capture");
  }
}

void Output::wait(int milliseconds) noexcept {
  pollfd entry{fd_.get(), POLLOUT, 0};
  static_cast<void>(::poll(&entry, 1, milliseconds));
}

bool Output::abandoned() const noexcept {
  pollfd entry{fd_.get(), 0, 0};
  return ::poll(&entry, 1, 0) > 0 && (entry.revents & (POLLERR | POLLHUP)) != 0;
}

}  // namespace etherloom
