// Takes the time of every frame of paced_sender.c that the stack receives from one interface, until SIGTERM.
// Started by bench/measures/arrivals.ts inside the receiver's network namespace; one thread.
//
//   frame_meter INTERFACE
//
// Prints "ready" when it listens, and one line of JSON at the end: `frames` and their `bytes` (header to
// payload) after the first; the `seconds` from the first to the last; how long they were under way, in
// microseconds, as `earliest`, `p1`, `p50`, `p99` and `latest`; `missed`, what was received and not counted
// here, for want of room.
//
// The kernel stamps frames as they come in from the driver (SO_TIMESTAMPNS), so it does not matter when this
// program gets to read them: it sleeps between two reads, and keeps out of the way of what is measured.

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <stdint.h>
#include <sys/socket.h>
#include <time.h>

#include "common.h"
#include "timed_frame.h"

enum {
  EtherTypeExperimental = 0x88b5,
  BatchSize = 256,
  PauseMilliseconds = 20,
  BufferSize = 256 << 20,  // a second of the most that is sent here; pages are taken with use
};

static int compare(const void* left, const void* right) {
  int64_t a = *(const int64_t*)left;
  int64_t b = *(const int64_t*)right;
  return (a > b) - (a < b);
}

static int openSocket(const char* interface) {
  int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
  if (fd < 0) fail("socket(AF_PACKET)");
  int size = BufferSize;
  if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) < 0 &&
      setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size) < 0)
    fail("SO_RCVBUF");
  int on = 1;
  if (setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on) < 0) fail("SO_TIMESTAMPNS");
  struct sockaddr_ll address = {.sll_family = AF_PACKET,
                                .sll_protocol = htons(EtherTypeExperimental),
                                .sll_ifindex = (int)if_nametoindex(interface)};
  if (address.sll_ifindex == 0) fail(interface);
  if (bind(fd, (struct sockaddr*)&address, sizeof address) < 0) fail("bind");
  return fd;
}

static int64_t stampOf(struct msghdr* message) {
  for (struct cmsghdr* control = CMSG_FIRSTHDR(message); control != NULL;
       control = CMSG_NXTHDR(message, control)) {
    if (control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_TIMESTAMPNS) continue;
    struct timespec time;
    memcpy(&time, CMSG_DATA(control), sizeof time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
  }
  fprintf(stderr, "the kernel did not stamp a frame\n");
  exit(EXIT_FAILURE);
}

static struct {
  uint64_t frames, bytes;
  int64_t first, last;  // instants
  int64_t* delays;
  size_t room;
} seen;

static void count(size_t length, int64_t stamp, int64_t delay) {
  if (seen.frames == seen.room) {
    seen.room = seen.room == 0 ? 1 << 16 : seen.room * 2;
    seen.delays = realloc(seen.delays, seen.room * sizeof *seen.delays);
    if (seen.delays == NULL) fail("realloc");
  }
  if (seen.frames == 0) {
    seen.first = stamp;
  } else {
    seen.bytes += length;
  }
  seen.last = stamp;
  seen.delays[seen.frames++] = delay;
}

/// Everything that has been received so far.
static void drain(int fd) {
  static struct TimedFrame frames[BatchSize];
  static char controls[BatchSize][CMSG_SPACE(sizeof(struct timespec))] __attribute__((aligned(8)));
  struct iovec vectors[BatchSize];
  struct mmsghdr messages[BatchSize];
  for (;;) {
    for (int i = 0; i < BatchSize; i++) {
      vectors[i] = (struct iovec){.iov_base = &frames[i], .iov_len = sizeof frames[i]};
      messages[i].msg_hdr = (struct msghdr){.msg_iov = &vectors[i],
                                            .msg_iovlen = 1,
                                            .msg_control = controls[i],
                                            .msg_controllen = sizeof controls[i]};
    }
    int taken = recvmmsg(fd, messages, BatchSize, MSG_DONTWAIT | MSG_TRUNC, NULL);
    if (taken < 0 && errno == EINTR) continue;
    if (taken < 0 && errno == EAGAIN) return;
    if (taken < 0) fail("recvmmsg");
    for (int i = 0; i < taken; i++) {
      int64_t stamp = stampOf(&messages[i].msg_hdr);
      count(messages[i].msg_len, stamp, stamp - (int64_t)be64toh(frames[i].sentAt));
    }
    if (taken < BatchSize) return;
  }
}

static double delayAt(double share) {
  return (double)seen.delays[(size_t)(share * (double)(seen.frames - 1))] / 1e3;
}

int main(int argumentCount, char** arguments) {
  if (argumentCount != 2) {
    fprintf(stderr, "usage: %s INTERFACE\n", arguments[0]);
    return 2;
  }
  stopOnSigterm();
  int fd = openSocket(arguments[1]);
  sayReady();

  while (!stopped) {
    drain(fd);
    usleep(PauseMilliseconds * 1000);
  }
  drain(fd);

  struct tpacket_stats statistics;
  socklen_t length = sizeof statistics;
  if (getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, &statistics, &length) < 0) fail("PACKET_STATISTICS");
  if (seen.frames < 2) {
    fprintf(stderr, "no two frames came\n");
    return 1;
  }
  qsort(seen.delays, seen.frames, sizeof *seen.delays, compare);
  printf(
      "{\"frames\": %llu, \"bytes\": %llu, \"seconds\": %.9f, \"missed\": %u, \"earliest\": %.3f, "
      "\"p1\": %.3f, \"p50\": %.3f, \"p99\": %.3f, \"latest\": %.3f}\n",
      (unsigned long long)(seen.frames - 1), (unsigned long long)seen.bytes,
      (double)(seen.last - seen.first) / 1e9, statistics.tp_drops, delayAt(0), delayAt(0.01), delayAt(0.5),
      delayAt(0.99), delayAt(1));
  return 0;
}
