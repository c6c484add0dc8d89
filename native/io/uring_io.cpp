#include "io/uring_io.hpp"

#include <poll.h>
#include <sys/resource.h>
#include <sys/utsname.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>
#include <span>
#include <string_view>

namespace etherloom {
namespace {

/// How soon a device that found no buffer is read again.
constexpr Duration hunger{1'000'000};

/// What a result is about: in the low bits of what the request carried, above them a pointer or a number.
enum class About : std::uint64_t { Read, Write, Source, Writable, Doorbell, Nothing };
constexpr std::uint64_t aboutMask = 7;
constexpr unsigned aboutBits = 3;

std::uint64_t mark(About about, std::uint64_t value = 0) { return value | static_cast<std::uint64_t>(about); }

/// Descriptors below this number have a place in the ring's own table, where the limits allow it.
unsigned filesToKeep() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  return static_cast<unsigned>(std::min<rlim_t>(limit.rlim_cur, 4096));
}

/// TAPs know RWF_NOWAIT from Linux 6.4 on.
Result<void> checkKernel() {
  utsname kernel{};
  uname(&kernel);
  const std::string_view release(kernel.release);
  unsigned major = 0, minor = 0;
  const auto [dot, error] = std::from_chars(release.begin(), release.end(), major);
  if (error == std::errc() && dot != release.end()) std::from_chars(dot + 1, release.end(), minor);
  if (std::pair(major, minor) >= std::pair(6U, 4U)) return {};
  return Error{ENOSYS, "", "io_uring serves TAPs on Linux 6.4 or later; this is " + std::string(release)};
}

}  // namespace

Result<std::unique_ptr<Io>> UringIo::create(int doorbellFd, FramePool& pool) {
  auto ring = Uring::create(requests, 4 * requests);
  if (!ring) return ring.error();
  if (auto recent = checkKernel(); !recent) return recent.error();
  std::unique_ptr<UringIo> io(new UringIo(std::move(*ring), pool, doorbellFd));
  if (const unsigned files = filesToKeep(); io->ring_.reserveFiles(files)) io->kept_.resize(files);
  return std::unique_ptr<Io>(std::move(io));
}

UringIo::UringIo(Uring ring, FramePool& pool, int doorbellFd)
    : ring_(std::move(ring)), pool_(pool), doorbellFd_(doorbellFd) {
  poll(doorbellFd_, POLLIN, true, mark(About::Doorbell));
}

UringIo::~UringIo() {
  for (auto& [fd, source] : sources_) discard(source);
}

// ---- descriptors ----

UringIo::Source& UringIo::add(PortKey key, int fd) {
  const auto place = static_cast<std::size_t>(fd);
  if (place < kept_.size()) kept_[place] = ring_.keepFile(fd);
  Source& source = sources_[fd];
  source.key = key;
  source.fd = fd;
  for (auto* list : {&cold_, &hot_, &ready_}) list->reserve(sources_.size());
  cold_.push_back(&source);
  return source;
}

Result<Reader*> UringIo::read(PortKey key, int fd, ReadShape shape) {
  if (shape.limit >= FramePool::largeCapacity || shape.prefix > FramePool::headroom) {
    return Error{EINVAL, "", "no buffer holds a frame of " + std::to_string(shape.limit) + " bytes"};
  }
  Source& source = add(key, fd);
  source.reads = true;
  source.shape = shape;
  source.bufferClass = shape.limit < FramePool::smallCapacity ? BufferClass::Small : BufferClass::Large;
  return &source;
}

Result<void> UringIo::watch(PortKey key, int fd) {
  add(key, fd);
  return {};
}

// A device goes when the last that refers to it is closed: so here the kernel has to let go of it.
void UringIo::forget(int fd) noexcept {
  const auto place = sources_.find(fd);
  if (place == sources_.end()) return;
  // What was written before is still sent: and not to whatever has the descriptor's number next.
  if (ring_.requested()) call({});
  Source& source = place->second;
  source.forgotten = true;
  const auto self = reinterpret_cast<std::uintptr_t>(&source);
  if (source.polled) cancel(mark(About::Source, self));
  if (source.full) cancel(mark(About::Writable, self));
  while (source.polled || source.full) call(forever);
  for (auto* list : {&cold_, &hot_, &ready_}) std::erase(*list, &source);
  discard(source);
  if (const auto kept = static_cast<std::size_t>(fd); kept < kept_.size() && kept_[kept]) {
    ring_.dropFile(fd);
    kept_[kept] = false;
  }
  sources_.erase(place);
}

// SAFETY: sources are aligned to more than the bits that say what a request is about.
void UringIo::whenWritable(PortKey, int fd) noexcept {
  const auto place = sources_.find(fd);
  if (place == sources_.end()) return;
  Source& source = place->second;
  if (std::exchange(source.full, true)) return;
  poll(fd, POLLOUT, false, mark(About::Writable, reinterpret_cast<std::uintptr_t>(&source)));
}

// ---- requests ----

/// There is always room: a full ring goes to the kernel first.
io_uring_sqe& UringIo::request() noexcept {
  io_uring_sqe* request = ring_.request();
  while (!request) {
    call({});
    request = ring_.request();
  }
  return *request;
}

void UringIo::address(io_uring_sqe& request, int fd) noexcept {
  request.fd = fd;
  const auto place = static_cast<std::size_t>(fd);
  if (place < kept_.size() && kept_[place]) request.flags |= IOSQE_FIXED_FILE;
}

void UringIo::cancel(std::uint64_t about) noexcept {
  io_uring_sqe& cancelling = request();
  cancelling.opcode = IORING_OP_ASYNC_CANCEL;
  cancelling.addr = about;
  cancelling.user_data = mark(About::Nothing);
}

void UringIo::poll(int fd, short events, bool repeatedly, std::uint64_t about) noexcept {
  io_uring_sqe& polling = request();
  address(polling, fd);
  polling.opcode = IORING_OP_POLL_ADD;
  polling.len = repeatedly ? IORING_POLL_ADD_MULTI : 0;
  polling.poll32_events = static_cast<std::uint32_t>(events);
  polling.user_data = about;
}

void UringIo::pollCold() noexcept {
  while (!cold_.empty() && !ring_.full()) {
    Source& source = *cold_.back();
    cold_.pop_back();
    // SAFETY: sources are aligned to more than the bits that say what this is.
    static_assert(alignof(Source) > aboutMask);
    poll(source.fd, POLLIN, !source.reads, mark(About::Source, reinterpret_cast<std::uintptr_t>(&source)));
    source.polled = true;
  }
}

/// False when some could not be asked for anything: those come first in the next turn.
bool UringIo::readHot() noexcept {
  for (Source* source : hot_) ask(*source);
  const auto fed = [](const Source* source) { return source->asked != 0; };
  if (std::all_of(hot_.begin(), hot_.end(), fed)) return true;
  std::partition(hot_.begin(), hot_.end(), [fed](const Source* source) { return !fed(source); });
  return false;
}

void UringIo::ask(Source& source) noexcept {
  source.asked = source.got = 0;
  if (!source.inbox.empty()) return;  // its port is not done with the last burst
  while (source.asked < source.wish && readCount_ < readsPerTurn && !ring_.full()) {
    Frame* frame = pool_.acquire(source.bufferClass);
    if (!frame) return;
    io_uring_sqe& reading = request();
    address(reading, source.fd);
    reading.opcode = IORING_OP_READ;
    reading.rw_flags = RWF_NOWAIT;
    reading.addr = reinterpret_cast<std::uintptr_t>(frame->data - source.shape.prefix);
    reading.len =
        source.shape.prefix + std::min(FramePool::capacity(source.bufferClass), source.shape.limit + 1);
    reading.user_data = mark(About::Read, std::uint64_t{readCount_} << aboutBits);
    reads_[readCount_++] = {&source, frame};
    ++source.asked;
  }
}

void UringIo::write(Completions& port, int fd, TxItem item, std::uint16_t prefix) noexcept {
  io_uring_sqe& writing = request();
  address(writing, fd);
  writing.opcode = IORING_OP_WRITE;
  writing.flags |= IOSQE_CQE_SKIP_SUCCESS;
  writing.rw_flags = RWF_NOWAIT;
  writing.addr = reinterpret_cast<std::uintptr_t>(item.frame->data - prefix);
  writing.len = prefix + item.frame->length;
  writing.user_data = mark(About::Write, std::uint64_t{writeCount_} << aboutBits);
  writes_[writeCount_] = item;
  writers_[writeCount_++] = &port;
}

// ---- results ----

void UringIo::turn(Instant now, Instant deadline, ReadySink& sink) noexcept {
  Duration wait = deadline == Instant::never() ? forever : deadline - now;
  bool fed, alone;
  do {
    alone = ready_.empty();
    woken_ = false;
    pollCold();
    fed = readHot();
    if (!fed) wait = std::min(wait, hunger);
    if (readCount_ != 0 || writeCount_ != 0 || !ready_.empty() || !cold_.empty()) wait = {};
    if (wait > Duration{} || ring_.requested() || ring_.workPending()) call(wait);
    sortHot();
    wait = {};
    // What has become hot is read at once. Where others are ready already that is done once, for the devices
    // that woke in the first call.
  } while ((ready_.empty() && !hot_.empty() && fed) || (alone && woken_));

  for (Source* source : ready_) {
    source->ready = false;
    sink.ready(source->key);
  }
  ready_.clear();
}

/// Who gave less than asked for has nothing more.
void UringIo::sortHot() noexcept {
  std::erase_if(hot_, [this](Source* source) {
    if (source->asked == 0) return false;
    source->wish = std::clamp(2 * source->got, 1U, burstSize);
    const bool drained = source->got < source->asked;
    if (drained && source->error == 0) cold_.push_back(source);
    return drained;
  });
}

/// Afterwards every read and every write has ended. Errors reach us as deferred work, of which newer kernels
/// do only some in one call (Linux 6.13: 20), oldest first; what is older is at most two polls of each
/// source.
void UringIo::call(Duration wait) noexcept {
  if (!std::exchange(enabled_, true)) ring_.enable();
  const std::size_t pending = readCount_ + writeCount_;
  std::size_t calls = pending == 0 ? 0 : pending + 2 * sources_.size() + 1;
  do {
    ++calls_;
    ring_.submitAndWait(std::exchange(wait, Duration{}));
    harvest();
  } while (ring_.requested() || (ring_.workPending() && calls != 0 && calls-- != 0));
  readCount_ = 0;
  endWrites();
}

void UringIo::harvest() noexcept {
  ring_.results([this](const io_uring_cqe& result) {
    const std::uint64_t value = result.user_data & ~aboutMask;
    switch (static_cast<About>(result.user_data & aboutMask)) {
      case About::Read:
        return readEnded(reads_[value >> aboutBits], result.res);
      case About::Write:
        return std::exchange(writers_[value >> aboutBits], nullptr)
            ->failed(writes_[value >> aboutBits], -result.res);
      case About::Source:
        // SAFETY: a source stays until its last result.
        return hear(*std::bit_cast<Source*>(static_cast<std::uintptr_t>(value)), result);
      case About::Writable: {
        // SAFETY: a source stays until its last result.
        Source& source = *std::bit_cast<Source*>(static_cast<std::uintptr_t>(value));
        source.full = false;
        if (!source.forgotten) list(source);
        return;
      }
      case About::Doorbell:
        if (!(result.flags & IORING_CQE_F_MORE)) poll(doorbellFd_, POLLIN, true, mark(About::Doorbell));
        return;
      case About::Nothing:
        return;
    }
  });
}

void UringIo::readEnded(const Read& read, int result) noexcept {
  Source& source = *read.source;
  if (result < 0) {
    pool_.release(read.frame);
    if (result == -EAGAIN || result == -EINTR) return;
    source.error = -result;
    return list(source);
  }
  read.frame->length = static_cast<std::uint32_t>(std::max(result - int{source.shape.prefix}, 0));
  source.inbox.push(*read.frame);
  ++source.got;
  list(source);
}

/// A descriptor that is polled has news, or is not polled any more.
void UringIo::hear(Source& source, const io_uring_cqe& result) noexcept {
  source.polled = (result.flags & IORING_CQE_F_MORE) != 0;
  if (source.forgotten) return;
  if (!source.reads) {
    list(source);
    if (!source.polled) cold_.push_back(&source);
  } else {
    source.asked = 0;
    hot_.push_back(&source);
    woken_ = true;
  }
}

/// Writes without a result went well.
void UringIo::endWrites() noexcept {
  const unsigned count = std::exchange(writeCount_, 0);
  for (unsigned first = 0, end; first < count; first = end) {
    Completions* writer = writers_[first];
    for (end = first + 1; end < count && writers_[end] == writer;) ++end;
    if (writer) writer->written(std::span(writes_).subspan(first, end - first));
  }
}

void UringIo::list(Source& source) noexcept {
  if (std::exchange(source.ready, true)) return;
  ready_.push_back(&source);
}

/// What was read and nobody has taken.
void UringIo::discard(Source& source) noexcept {
  while (Frame* frame = source.inbox.pop()) pool_.release(frame);
}

RxState UringIo::take(Reader& reader, RxBurst& burst) noexcept {
  auto& source = static_cast<Source&>(reader);
  while (!source.inbox.empty() && burst.room() != 0) burst.add(source.inbox.pop());
  if (!source.inbox.empty()) return RxState::More;
  return source.error != 0 ? RxState::Failed : RxState::Drained;
}

}  // namespace etherloom
