#include "io/uring.hpp"

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

namespace etherloom {
namespace {

// Linux 6.15, newer than the headers of Debian 12; io_uring_enter(2).
constexpr unsigned enterNoIoWait = 1U << 7;
constexpr unsigned featureNoIoWait = 1U << 17;

/// Requests go in when asked for and results come out when asked for, on one thread, which is also the only
/// one to be interrupted for them: never.
constexpr unsigned setupFlags = IORING_SETUP_CLAMP | IORING_SETUP_CQSIZE | IORING_SETUP_R_DISABLED |
                                IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
                                IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL;

/// The last error of a call, in words that say what to do about it.
Error refused(const char* call) {
  switch (errno) {
    case EMFILE:
    case ENFILE:
      return Error::last(call, "no descriptor is left for io_uring; raise the limit (ulimit -n)");
    case ENOMEM:
      return Error::last(call, "no memory is left for io_uring");
    default:
      return Error::last(call,
                         "this kernel or container refuses io_uring (Linux 6.4 or later, and neither seccomp "
                         "nor kernel.io_uring_disabled against it)");
  }
}

}  // namespace

Result<Uring> Uring::create(unsigned submissions, unsigned completions) {
  io_uring_params params{};
  params.flags = setupFlags;
  params.cq_entries = completions;
  Uring ring;
  ring.fd_ = Fd(static_cast<int>(syscall(SYS_io_uring_setup, submissions, &params)));
  if (!ring.fd_) return refused("io_uring_setup");
  // A container may allow that call alone. What is wrong with these two is all that the kernel finds.
  if (syscall(SYS_io_uring_enter, ring.fd_.get(), 0, 0, 0, nullptr, 0) != 0 && errno != EBADFD)
    return refused("io_uring_enter");
  if (ring.registerOption(IORING_REGISTER_PROBE, nullptr, 0) != 0 && errno != EINVAL)
    return refused("io_uring_register");

  const std::size_t size = std::max(params.sq_off.array + params.sq_entries * sizeof(std::uint32_t),
                                    params.cq_off.cqes + params.cq_entries * sizeof(io_uring_cqe));
  auto rings = Mapping::ofFile(ring.fd_, IORING_OFF_SQ_RING, size);
  if (!rings) return rings.error();
  auto requests = Mapping::ofFile(ring.fd_, IORING_OFF_SQES, params.sq_entries * sizeof(io_uring_sqe));
  if (!requests) return requests.error();
  ring.rings_ = std::move(*rings);
  ring.requests_ = std::move(*requests);

  // SAFETY: the kernel says where in the mapping each part lies, and aligns it.
  const auto word = [&](std::uint32_t offset) {
    return reinterpret_cast<std::uint32_t*>(ring.rings_.start() + offset);
  };
  ring.submissionHead_ = word(params.sq_off.head);
  ring.submissionTail_ = word(params.sq_off.tail);
  ring.submissionFlags_ = word(params.sq_off.flags);
  ring.submissionMask_ = *word(params.sq_off.ring_mask);
  ring.sqes_ = reinterpret_cast<io_uring_sqe*>(ring.requests_.start());
  // Requests are taken in the order of their places.
  for (std::uint32_t place = 0; place < params.sq_entries; ++place) word(params.sq_off.array)[place] = place;
  ring.completionHead_ = word(params.cq_off.head);
  ring.completionTail_ = word(params.cq_off.tail);
  ring.completionMask_ = *word(params.cq_off.ring_mask);
  ring.completions_ = reinterpret_cast<io_uring_cqe*>(ring.rings_.start() + params.cq_off.cqes);
  // A wait for frames is no wait for a disk; without this flag it would count as one in the load of the
  // machine.
  ring.enterFlags_ = params.features & featureNoIoWait ? enterNoIoWait : 0;
  return ring;
}

void Uring::enable() noexcept { (void)registerOption(IORING_REGISTER_ENABLE_RINGS, nullptr, 0); }

io_uring_sqe* Uring::request() noexcept {
  if (full()) return nullptr;
  io_uring_sqe* request = &sqes_[tail_++ & submissionMask_];
  *request = {};
  return request;
}

bool Uring::workPending() const noexcept {
  return (__atomic_load_n(submissionFlags_, __ATOMIC_RELAXED) &
          (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0;
}

void Uring::submitAndWait(Duration timeout) noexcept {
  if (timeout.nanoseconds <= 0) return enter(IORING_ENTER_GETEVENTS, nullptr, 0, 0);
  if (timeout == forever) return enter(IORING_ENTER_GETEVENTS, nullptr, 0, 1);
  const __kernel_timespec time{timeout.nanoseconds / 1'000'000'000, timeout.nanoseconds % 1'000'000'000};
  io_uring_getevents_arg argument{};
  // SAFETY: the kernel reads the time during the call.
  argument.ts = reinterpret_cast<std::uintptr_t>(&time);
  enter(IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG, &argument, sizeof argument, 1);
}

// A call that the kernel has no memory for leaves requests in the ring, for the next one.
void Uring::enter(unsigned flags, const void* argument, std::size_t size, unsigned wanted) noexcept {
  store(submissionTail_, tail_);
  const auto taken =
      syscall(SYS_io_uring_enter, fd_.get(), tail_ - submitted_, wanted, flags | enterFlags_, argument, size);
  (void)taken;
  submitted_ = load(submissionHead_);
}

bool Uring::reserveFiles(unsigned count) noexcept {
  io_uring_rsrc_register table{};
  table.nr = count;
  table.flags = IORING_RSRC_REGISTER_SPARSE;
  return registerOption(IORING_REGISTER_FILES2, &table, sizeof table) == 0;
}

bool Uring::keepFile(int fd) noexcept {
  io_uring_rsrc_update update{};
  update.offset = static_cast<std::uint32_t>(fd);
  update.data = reinterpret_cast<std::uintptr_t>(&fd);
  return registerOption(IORING_REGISTER_FILES_UPDATE, &update, 1) == 1;
}

void Uring::dropFile(int fd) noexcept {
  const int none = -1;
  io_uring_rsrc_update update{};
  update.offset = static_cast<std::uint32_t>(fd);
  update.data = reinterpret_cast<std::uintptr_t>(&none);
  (void)registerOption(IORING_REGISTER_FILES_UPDATE, &update, 1);
}

int Uring::registerOption(unsigned option, void* argument, unsigned count) noexcept {
  return static_cast<int>(syscall(SYS_io_uring_register, fd_.get(), option, argument, count));
}

}  // namespace etherloom
