// The least a program can do to join TAPs over io_uring. Started by bench/peers/c-loops.ts as the limit of
// user space in one thread; ends on a signal.
//
//   tap_forward_uring flood|switch|discard|probe [--headers] [NAME@NAMESPACE...]
//
// `flood` is from the first TAP to all others, `switch` from every TAP to the one that the destination
// address belongs to, `discard` from the first to nowhere; `probe` only tries whether the kernel has what is
// needed (Linux 6.4). With --headers the TAPs carry virtio-net headers of 12 bytes, which are passed on as
// they come, without any offload. Makes the TAPs, each in its namespace (a path such as /proc/PID/ns/net),
// prints "ready", and forwards for ever.
//
// Theory of operation. A TAP is hot while it has frames, and cold when it has none. A turn is one system
// call, which submits the writes of all frames that the turn before has read, a burst of reads for each hot
// TAP, which do not wait (RWF_NOWAIT), and one read, which waits, for each that has become cold. It blocks
// only when none is hot. A write to a TAP copies the frame and does not wait either: when the call returns,
// all of its writes have ended, so that their buffers are free without a completion for each (only a failed
// write has one; the frame is lost). Multishot reads were tried: they are no faster from one TAP and slower
// from many, because the kernel polls the TAP, and queues work for the task, for every frame. Raw system
// calls, because distributions have a liburing older than their kernel.

#define _GNU_SOURCE
#include <errno.h>
#include <linux/io_uring.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "addresses.h"
#include "common.h"

enum {
  SubmissionCount = 256,
  CompletionCount = 2048,
  BufferSize =
      2048 + 64,   // no power of two: the first lines of all buffers would share a few sets of the cache
  BurstSize = 64,  // reads of a hot TAP in a turn,
  ReadsMax = 256,  // and of all together
  HeaderLength = 12,
  IgnoredTag = -1,  // user data of writes; that of reads is the index of their buffer
};

struct Ring {
  int fd;
  _Atomic unsigned* submissionTail;
  struct io_uring_sqe* submissions;
  unsigned queued;  // submissions that the kernel has not been told of
  _Atomic unsigned* completionHead;
  _Atomic unsigned* completionTail;
  struct io_uring_cqe* completions;
};

/// Where a frame is read to, and from where.
struct Buffer {
  size_t tap;
  bool waits;
  uint8_t bytes[BufferSize];
};

struct Tap {
  bool hot;
  bool waiting;  // a read that waits is out
};

static struct Ring ring;

static void openRing(void) {
  struct io_uring_params parameters = {
      .flags = IORING_SETUP_CQSIZE | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
      .cq_entries = CompletionCount};
  ring.fd = (int)syscall(SYS_io_uring_setup, SubmissionCount, &parameters);
  if (ring.fd < 0) fail("io_uring_setup");

  size_t size = parameters.cq_off.cqes + CompletionCount * sizeof(struct io_uring_cqe);
  size_t arrayEnd = parameters.sq_off.array + SubmissionCount * sizeof(unsigned);
  if (arrayEnd > size) size = arrayEnd;
  uint8_t* rings =
      mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring.fd, IORING_OFF_SQ_RING);
  if (rings == MAP_FAILED) fail("mmap");
  ring.submissions = mmap(NULL, SubmissionCount * sizeof(struct io_uring_sqe), PROT_READ | PROT_WRITE,
                          MAP_SHARED | MAP_POPULATE, ring.fd, IORING_OFF_SQES);
  if (ring.submissions == MAP_FAILED) fail("mmap");
  ring.submissionTail = (_Atomic unsigned*)(rings + parameters.sq_off.tail);
  unsigned* submissionArray = (unsigned*)(rings + parameters.sq_off.array);
  for (unsigned i = 0; i < SubmissionCount; i++) submissionArray[i] = i;
  ring.completionHead = (_Atomic unsigned*)(rings + parameters.cq_off.head);
  ring.completionTail = (_Atomic unsigned*)(rings + parameters.cq_off.tail);
  ring.completions = (struct io_uring_cqe*)(rings + parameters.cq_off.cqes);
}

/// Submits what is queued and waits for that many completions. All writes have ended afterwards.
static void submit(unsigned completions, unsigned flags) {
  unsigned tail = atomic_load_explicit(ring.submissionTail, memory_order_relaxed);
  atomic_store_explicit(ring.submissionTail, tail + ring.queued, memory_order_release);
  do {
    long taken = syscall(SYS_io_uring_enter, ring.fd, ring.queued, completions, flags, NULL, 0);
    if (taken < 0 && errno != EINTR && errno != EAGAIN && errno != EBUSY) fail("io_uring_enter");
    if (taken > 0) ring.queued -= (unsigned)taken;
  } while (ring.queued > 0);
}

static struct io_uring_sqe* nextSubmission(void) {
  if (ring.queued == SubmissionCount) submit(0, 0);
  unsigned tail = atomic_load_explicit(ring.submissionTail, memory_order_relaxed) + ring.queued++;
  struct io_uring_sqe* submission = &ring.submissions[tail & (SubmissionCount - 1)];
  memset(submission, 0, sizeof *submission);
  return submission;
}

/// Flags are 0 or RWF_NOWAIT.
static void queueRead(size_t tap, struct Buffer* buffer, size_t index, unsigned flags) {
  struct io_uring_sqe* submission = nextSubmission();
  buffer->tap = tap;
  buffer->waits = flags == 0;
  submission->opcode = IORING_OP_READ;
  submission->flags = IOSQE_FIXED_FILE;
  submission->fd = (int)tap;
  submission->addr = (uintptr_t)buffer->bytes;
  submission->len = BufferSize;
  submission->rw_flags = flags;
  submission->user_data = index;
}

static void queueWrite(size_t tap, const void* bytes, size_t length) {
  struct io_uring_sqe* submission = nextSubmission();
  submission->opcode = IORING_OP_WRITE;
  submission->flags = IOSQE_FIXED_FILE | IOSQE_CQE_SKIP_SUCCESS;
  submission->fd = (int)tap;
  submission->addr = (uintptr_t)bytes;
  submission->len = (unsigned)length;
  submission->rw_flags = RWF_NOWAIT;
  submission->user_data = (uint64_t)IgnoredTag;
}

enum Pattern { Flood, Switch, Discard };

/// Queues a write for every copy of one frame.
static void forward(const uint8_t* bytes, size_t length, enum Pattern pattern, size_t tapCount,
                    size_t headerLength) {
  if (pattern == Switch) {
    size_t to = portOf(bytes + headerLength);
    if (to < tapCount) queueWrite(to, bytes, length);
  } else if (pattern == Flood) {
    for (size_t to = 1; to < tapCount; to++) queueWrite(to, bytes, length);
  }
}

static void run(enum Pattern pattern, size_t tapCount, size_t headerLength) {
  size_t readers = pattern == Switch ? tapCount : 1;
  size_t bufferCount = 2 * (ReadsMax + readers);
  struct Tap* taps = calloc(readers, sizeof *taps);
  struct Buffer* buffers = calloc(bufferCount, sizeof *buffers);
  size_t* unused = calloc(bufferCount, sizeof *unused);    // a stack
  size_t* written = calloc(bufferCount, sizeof *written);  // those whose writes are queued
  if (taps == NULL || buffers == NULL || unused == NULL || written == NULL) fail("calloc");
  size_t unusedCount = 0;
  size_t writtenCount = 0;
  for (size_t i = 0; i < bufferCount; i++) unused[unusedCount++] = i;

  for (size_t next = 0;;) {  // the TAP whose turn to be read it is, where not all can be
    size_t readsLeft = ReadsMax;
    for (size_t tap = 0; tap < readers; tap++) {
      if (taps[tap].hot || taps[tap].waiting) continue;
      size_t buffer = unused[--unusedCount];
      queueRead(tap, &buffers[buffer], buffer, 0);
      taps[tap].waiting = true;
    }
    for (size_t i = 0; i < readers && readsLeft > 0; i++) {
      size_t tap = next;
      next = next + 1 < readers ? next + 1 : 0;
      if (!taps[tap].hot) continue;
      for (int k = 0; k < BurstSize; k++, readsLeft--) {
        size_t buffer = unused[--unusedCount];
        queueRead(tap, &buffers[buffer], buffer, RWF_NOWAIT);
      }
    }
    submit(readsLeft == ReadsMax, IORING_ENTER_GETEVENTS);
    while (writtenCount > 0) unused[unusedCount++] = written[--writtenCount];

    unsigned head = atomic_load_explicit(ring.completionHead, memory_order_relaxed);
    unsigned tail = atomic_load_explicit(ring.completionTail, memory_order_acquire);
    for (; head != tail; head++) {
      struct io_uring_cqe completion = ring.completions[head & (CompletionCount - 1)];
      if (completion.user_data == (uint64_t)IgnoredTag) continue;  // a frame that the kernel did not take
      struct Buffer* buffer = &buffers[completion.user_data];
      struct Tap* tap = &taps[buffer->tap];
      if (completion.res >= 0) {
        forward(buffer->bytes, (size_t)completion.res, pattern, tapCount, headerLength);
        written[writtenCount++] = completion.user_data;
      } else if (completion.res == -EAGAIN) {
        unused[unusedCount++] = completion.user_data;
      } else {
        errno = -completion.res;
        fail("read");
      }
      if (buffer->waits) tap->waiting = false;
      tap->hot = completion.res >= 0;
    }
    atomic_store_explicit(ring.completionHead, head, memory_order_release);
  }
}

static void usage(const char* program) {
  fprintf(stderr, "usage: %s flood|switch|discard|probe [--headers] [NAME@NAMESPACE...]\n", program);
  exit(2);
}

int main(int count, char** arguments) {
  if (count < 2) usage(arguments[0]);
  const char* pattern = arguments[1];
  bool headers = count > 2 && strcmp(arguments[2], "--headers") == 0;
  char** places = arguments + 2 + headers;
  size_t tapCount = (size_t)(count - 2 - headers);

  openRing();
  if (strcmp(pattern, "probe") == 0) return 0;
  if (tapCount == 0) usage(arguments[0]);

  int* taps = calloc(tapCount, sizeof *taps);
  if (taps == NULL) fail("calloc");
  for (size_t i = 0; i < tapCount; i++) {
    taps[i] = openTap(places[i], headers ? IFF_VNET_HDR : 0, O_CLOEXEC);
    int headerLength = HeaderLength;
    if (headers && ioctl(taps[i], TUNSETVNETHDRSZ, &headerLength) < 0) fail("TUNSETVNETHDRSZ");
    if (headers && ioctl(taps[i], TUNSETOFFLOAD, 0) < 0) fail("TUNSETOFFLOAD");
  }
  if (syscall(SYS_io_uring_register, ring.fd, IORING_REGISTER_FILES, taps, tapCount) < 0)
    fail("IORING_REGISTER_FILES");
  puts("ready");
  fflush(stdout);

  size_t headerLength = headers ? HeaderLength : 0;
  if (strcmp(pattern, "flood") == 0)
    run(Flood, tapCount, headerLength);
  else if (strcmp(pattern, "switch") == 0)
    run(Switch, tapCount, headerLength);
  else if (strcmp(pattern, "discard") == 0)
    run(Discard, tapCount, headerLength);
  usage(arguments[0]);
}
