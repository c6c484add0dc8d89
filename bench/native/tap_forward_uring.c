// The least a program can do to join TAPs over io_uring. Started by bench/peers/c-loop.ts as the limit of
// user space in one thread; ends on a signal.
//
//   tap_forward_uring flood|switch|discard|probe [--headers] [NAME@NAMESPACE...]
//
// `flood` is from the first TAP to all others, `switch` from every TAP to the one that the destination
// address belongs to, `discard` from the first to nowhere; `probe` only tries whether the kernel has what is
// needed (Linux 6.7). With --headers the TAPs carry virtio-net headers of 12 bytes, which are passed on as
// they come, without any offload. Makes the TAPs, each in its namespace (a path such as /proc/PID/ns/net),
// prints "ready", and forwards for ever.
//
// Theory of operation. One multishot read per TAP takes a buffer of one shared ring of buffers for every
// frame. A turn looks at all frames that are there, queues a write for each copy, and makes one system call
// that submits all writes, and waits for frames. A write to a TAP copies the frame, and RWF_NOWAIT keeps the
// kernel from ending it later: when the call returns, all of its writes have ended, so that their buffers go
// back to the ring without a completion for each (only a failed write has one; the frame is lost). Raw system
// calls, because not every distribution has a liburing that knows multishot reads.

#define _GNU_SOURCE
#include <errno.h>
#include <linux/io_uring.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "addresses.h"
#include "common.h"

enum {
  OperationReadMultishot = 49,  // IORING_OP_READ_MULTISHOT
  SubmissionCount = 4096,
  CompletionCount = 16384,
  BufferCount = 512,  // a power of two
  BufferSize = 2048,
  HeaderLength = 12,
  WriteTag = 1 << 16,  // user data of writes; that of reads is the index of their TAP
};

struct Ring {
  int fd;
  _Atomic unsigned* submissionTail;
  unsigned* submissionArray;
  struct io_uring_sqe* submissions;
  unsigned queued;  // submissions that the kernel has not been told of
  _Atomic unsigned* completionHead;
  _Atomic unsigned* completionTail;
  struct io_uring_cqe* completions;
};

struct Buffers {
  struct io_uring_buf_ring* ring;
  uint8_t (*bytes)[BufferSize];
  uint16_t tail;
  uint16_t used[BufferCount];  // by writes that have been queued
  unsigned usedCount;
};

static struct Ring ring;
static struct Buffers buffers;

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
  ring.submissionArray = (unsigned*)(rings + parameters.sq_off.array);
  for (unsigned i = 0; i < SubmissionCount; i++) ring.submissionArray[i] = i;
  ring.completionHead = (_Atomic unsigned*)(rings + parameters.cq_off.head);
  ring.completionTail = (_Atomic unsigned*)(rings + parameters.cq_off.tail);
  ring.completions = (struct io_uring_cqe*)(rings + parameters.cq_off.cqes);
}

static void requireMultishotRead(void) {
  struct {
    struct io_uring_probe head;
    struct io_uring_probe_op operations[256];
  } probe = {0};
  if (syscall(SYS_io_uring_register, ring.fd, IORING_REGISTER_PROBE, &probe, 256) < 0)
    fail("IORING_REGISTER_PROBE");
  if (probe.head.last_op >= OperationReadMultishot &&
      (probe.operations[OperationReadMultishot].flags & IO_URING_OP_SUPPORTED))
    return;
  fputs("the kernel has no multishot read (Linux 6.7)\n", stderr);
  exit(EXIT_FAILURE);
}

static void giveBuffer(uint16_t index) {
  struct io_uring_buf* entry = &buffers.ring->bufs[buffers.tail++ & (BufferCount - 1)];
  entry->addr = (uintptr_t)buffers.bytes[index];
  entry->len = BufferSize;
  entry->bid = index;
}

static void publishBuffers(void) {
  atomic_store_explicit((_Atomic uint16_t*)&buffers.ring->tail, buffers.tail, memory_order_release);
}

static void openBuffers(void) {
  int protection = PROT_READ | PROT_WRITE;
  int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE;
  buffers.ring = mmap(NULL, BufferCount * sizeof(struct io_uring_buf), protection, flags, -1, 0);
  buffers.bytes = mmap(NULL, (size_t)BufferCount * BufferSize, protection, flags, -1, 0);
  if (buffers.ring == MAP_FAILED || buffers.bytes == MAP_FAILED) fail("mmap");
  struct io_uring_buf_reg registration = {.ring_addr = (uintptr_t)buffers.ring, .ring_entries = BufferCount};
  if (syscall(SYS_io_uring_register, ring.fd, IORING_REGISTER_PBUF_RING, &registration, 1) < 0)
    fail("IORING_REGISTER_PBUF_RING");
  for (uint16_t i = 0; i < BufferCount; i++) giveBuffer(i);
  publishBuffers();
}

/// Submits what is queued and waits for that many completions. All writes have ended afterwards.
static void submit(unsigned completions) {
  atomic_store_explicit(ring.submissionTail,
                        atomic_load_explicit(ring.submissionTail, memory_order_relaxed) + ring.queued,
                        memory_order_release);
  while (ring.queued > 0 || completions > 0) {
    long taken = syscall(SYS_io_uring_enter, ring.fd, ring.queued, completions,
                         completions > 0 ? IORING_ENTER_GETEVENTS : 0, NULL, 0);
    if (taken < 0 && errno != EINTR && errno != EAGAIN && errno != EBUSY) fail("io_uring_enter");
    if (taken >= 0) {
      ring.queued -= (unsigned)taken;
      completions = 0;
    }
  }
}

static struct io_uring_sqe* nextSubmission(void) {
  if (ring.queued == SubmissionCount) submit(0);
  unsigned tail = atomic_load_explicit(ring.submissionTail, memory_order_relaxed) + ring.queued++;
  struct io_uring_sqe* submission = &ring.submissions[tail & (SubmissionCount - 1)];
  memset(submission, 0, sizeof *submission);
  return submission;
}

static void queueRead(size_t tap) {
  struct io_uring_sqe* submission = nextSubmission();
  submission->opcode = OperationReadMultishot;
  submission->flags = IOSQE_FIXED_FILE | IOSQE_BUFFER_SELECT;
  submission->fd = (int)tap;
  submission->user_data = tap;
}

static void queueWrite(size_t tap, const void* bytes, size_t length) {
  struct io_uring_sqe* submission = nextSubmission();
  submission->opcode = IORING_OP_WRITE;
  submission->flags = IOSQE_FIXED_FILE | IOSQE_CQE_SKIP_SUCCESS;
  submission->fd = (int)tap;
  submission->addr = (uintptr_t)bytes;
  submission->len = (unsigned)length;
  submission->rw_flags = RWF_NOWAIT;
  submission->user_data = WriteTag;
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
  bool* stalled =
      calloc(tapCount, sizeof *stalled);  // reads that found no buffer, and have to be queued anew
  if (stalled == NULL) fail("calloc");
  for (size_t i = 0; i < (pattern == Switch ? tapCount : 1); i++) queueRead(i);

  for (;;) {
    submit(1);
    for (unsigned i = 0; i < buffers.usedCount; i++) giveBuffer(buffers.used[i]);
    buffers.usedCount = 0;
    publishBuffers();

    bool anyStalled = false;
    unsigned head = atomic_load_explicit(ring.completionHead, memory_order_relaxed);
    unsigned tail = atomic_load_explicit(ring.completionTail, memory_order_acquire);
    for (; head != tail; head++) {
      struct io_uring_cqe* completion = &ring.completions[head & (CompletionCount - 1)];
      if (completion->user_data == WriteTag) continue;  // a frame that the kernel did not take
      if (completion->flags & IORING_CQE_F_BUFFER) {
        uint16_t index = (uint16_t)(completion->flags >> IORING_CQE_BUFFER_SHIFT);
        buffers.used[buffers.usedCount++] = index;
        if (completion->res > 0)
          forward(buffers.bytes[index], (size_t)completion->res, pattern, tapCount, headerLength);
      } else if (completion->res < 0 && completion->res != -ENOBUFS) {
        errno = -completion->res;
        fail("read");
      }
      if (!(completion->flags & IORING_CQE_F_MORE)) stalled[completion->user_data] = anyStalled = true;
    }
    atomic_store_explicit(ring.completionHead, head, memory_order_release);

    if (!anyStalled) continue;
    submit(0);  // the writes, so that there are buffers for the reads
    for (unsigned i = 0; i < buffers.usedCount; i++) giveBuffer(buffers.used[i]);
    buffers.usedCount = 0;
    publishBuffers();
    for (size_t i = 0; i < tapCount; i++) {
      if (stalled[i]) queueRead(i);
      stalled[i] = false;
    }
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
  requireMultishotRead();
  openBuffers();
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
