#include "io/epoll_io.hpp"

#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstring>

namespace etherloom {
namespace {

constexpr std::uint64_t markOf(PortKey key) { return std::uint64_t{key.generation} << 32 | key.index; }
constexpr PortKey keyOf(std::uint64_t mark) {
  return {static_cast<std::uint32_t>(mark), static_cast<std::uint32_t>(mark >> 32)};
}
constexpr std::uint64_t doorbellMark = ~std::uint64_t{0};

/// By number: older C libraries have no function for it. A null timeout waits for ever.
int epollPwait2(int epoll, std::span<epoll_event> events, const timespec* timeout) {
  return static_cast<int>(
      syscall(SYS_epoll_pwait2, epoll, events.data(), events.size(), timeout, nullptr, 0));
}

/// Repeats a system call that a signal interrupted.
template <typename Call>
ssize_t uninterrupted(Call call) {
  for (;;) {
    const ssize_t result = call();
    if (result >= 0 || errno != EINTR) return result;
  }
}

/// One frame: its first smallCapacity bytes to `head`, after the prefix, and what follows to the same place
/// in `tail`.
ssize_t readFrame(int fd, ReadShape shape, const Frame& head, const Frame& tail) {
  const std::size_t wanted = shape.limit + std::size_t{1};
  const std::size_t first = std::min<std::size_t>(wanted, FramePool::smallCapacity);
  if (first == wanted)
    return uninterrupted([&] { return ::read(fd, head.data - shape.prefix, shape.prefix + first); });
  const iovec parts[]{{head.data - shape.prefix, shape.prefix + first}, {tail.data + first, wanted - first}};
  return uninterrupted([&] { return readv(fd, parts, 2); });
}

}  // namespace

Result<std::unique_ptr<Io>> EpollIo::create(int doorbellFd) {
  Fd epoll(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll) return Error::last("epoll_create1", "cannot wait for several descriptors");
  std::unique_ptr<EpollIo> io(new EpollIo(std::move(epoll)));
  const timespec now{};
  io->nanoseconds_ = epollPwait2(io->epoll_.get(), io->events_, &now) >= 0;
  if (Result<void> added = io->add(doorbellFd, doorbellMark); !added) return added.error();
  return std::unique_ptr<Io>(std::move(io));
}

Result<void> EpollIo::add(int fd, std::uint64_t mark) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = mark;
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0) return {};
  return Error::last("epoll_ctl", "cannot wait for descriptor " + std::to_string(fd));
}

Result<Reader*> EpollIo::read(PortKey key, int fd, ReadShape shape) {
  if (shape.limit >= FramePool::largeCapacity || shape.prefix > FramePool::headroom) {
    return Error{EINVAL, "", "no buffer holds a frame of " + std::to_string(shape.limit) + " bytes"};
  }
  if (Result<void> added = add(fd, markOf(key)); !added) return added.error();
  FrameReader& reader = readers_[fd];
  reader.fd = fd;
  reader.shape = shape;
  return &reader;
}

Result<void> EpollIo::watch(PortKey key, int fd) {
  writers_.reserve(++watched_);
  return add(fd, markOf(key));
}

void EpollIo::whenWritable(PortKey key, int fd) noexcept {
  const auto waits = [fd](const Writer& writer) { return writer.fd == fd; };
  if (std::any_of(writers_.begin(), writers_.end(), waits)) return;
  writers_.push_back({markOf(key), fd});
  change(fd, markOf(key), EPOLLIN | EPOLLOUT);
}

void EpollIo::change(int fd, std::uint64_t mark, std::uint32_t events) noexcept {
  epoll_event event{};
  event.events = events;
  event.data.u64 = mark;
  epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event);
}

void EpollIo::forget(int fd) noexcept {
  epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
  if (readers_.erase(fd) == 0 && watched_ != 0) --watched_;
  std::erase_if(writers_, [fd](const Writer& writer) { return writer.fd == fd; });
}

// Theory of operation. How long a frame is shows only when it has been read. Where long ones are possible, a
// read scatters into a small buffer and, behind the small buffer's capacity, into a spare large one. Almost
// always the large one stays empty and serves the next read; only after a long frame the small part is moved
// to its front, so that a large buffer is held by large frames alone. Where a buffer is missing the pool's
// scratch frame takes its place: the device is drained all the same, and what was read is counted as
// no-buffer.
RxState EpollIo::take(Reader& reader, RxBurst& burst) noexcept {
  auto& source = static_cast<FrameReader&>(reader);
  const ReadShape shape = source.shape;
  FramePool& pool = burst.pool;
  const auto spare = [&] {
    return shape.limit < FramePool::smallCapacity ? nullptr : pool.acquire(BufferClass::Large);
  };

  RxState state = RxState::More;
  Frame* large = spare();
  for (unsigned reads = burst.room(); reads > 0; --reads) {
    Frame* small = pool.acquire(BufferClass::Small);
    ++calls_;
    const ssize_t got =
        readFrame(source.fd, shape, small ? *small : pool.scratch(), large ? *large : pool.scratch());
    if (got < 0) {
      state = errno == EAGAIN ? RxState::Drained : RxState::Failed;
      if (state == RxState::Failed) source.error = errno;
      if (small) pool.release(small);
      break;
    }
    const auto length = static_cast<std::uint32_t>(std::max<ssize_t>(got - shape.prefix, 0));
    if (small && length <= FramePool::smallCapacity) {
      small->length = length;
      burst.add(small);
    } else if (small && large) {
      std::memcpy(large->data - shape.prefix, small->data - shape.prefix,
                  shape.prefix + FramePool::smallCapacity);
      large->length = length;
      burst.add(large);
      pool.release(small);
      large = spare();
    } else {
      burst.drops.add(DropReason::NoBuffer, 1);
      if (small) pool.release(small);
    }
  }
  if (large) pool.release(large);
  return state;
}

void EpollIo::write(Completions& port, int fd, TxItem item, std::uint16_t prefix) noexcept {
  const Frame& frame = *item.frame;
  ++calls_;
  const ssize_t result =
      uninterrupted([&] { return ::write(fd, frame.data - prefix, std::size_t{prefix} + frame.length); });
  if (result < 0) return port.failed(item, errno);
  port.written({&item, 1});
}

void EpollIo::turn(Instant now, Instant deadline, ReadySink& sink) noexcept {
  const int count = wait(now, deadline);
  for (int index = 0; index < count; ++index) {
    const epoll_event& event = events_[static_cast<std::size_t>(index)];
    const std::uint64_t mark = event.data.u64;
    if (mark == doorbellMark) continue;
    sink.ready(keyOf(mark));
    if (!(event.events & EPOLLOUT)) continue;
    std::erase_if(writers_, [&](const Writer& writer) {
      if (writer.mark == mark) change(writer.fd, mark, EPOLLIN);
      return writer.mark == mark;
    });
  }
}

/// The number of events, or -1 after a signal: then the turn is merely short.
int EpollIo::wait(Instant now, Instant deadline) noexcept {
  if (deadline <= now) return epoll_wait(epoll_.get(), events_.data(), eventsPerTurn, 0);
  if (deadline == Instant::never()) return epoll_wait(epoll_.get(), events_.data(), eventsPerTurn, -1);
  const std::int64_t left = (deadline - now).nanoseconds;
  if (nanoseconds_) {
    const timespec timeout{left / 1'000'000'000, left % 1'000'000'000};
    ++calls_;
    return epollPwait2(epoll_.get(), events_, &timeout);
  }
  const std::int64_t milliseconds =
      std::min<std::int64_t>((left - 1) / 1'000'000 + 1, INT_MAX);  // rounded up: never early
  return epoll_wait(epoll_.get(), events_.data(), eventsPerTurn, static_cast<int>(milliseconds));
}

}  // namespace etherloom
