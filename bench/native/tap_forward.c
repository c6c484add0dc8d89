// The least a program can do to join TAPs: read() a frame here, write() it there. Started by
// bench/peers/c-loops.ts as a yardstick for everything in user space; one thread, ends on a signal.
//
//   tap_forward flood NAME@NAMESPACE...    from the first TAP to all others: one read(), which blocks, and a
//                                          write() for each
//   tap_forward switch NAME@NAMESPACE...   from every TAP to the one that the destination address belongs to:
//                                          epoll, then read() until there is nothing or BurstSize frames
//
// Makes the TAPs, each in its namespace (a path such as /proc/PID/ns/net), prints "ready", and forwards for
// ever.

#define _GNU_SOURCE
#include <errno.h>
#include <stdint.h>
#include <sys/epoll.h>

#include "addresses.h"
#include "common.h"

enum { FrameMax = 2048, BurstSize = 64, EventsMax = 64 };

static void flood(const int* taps, size_t count) {
  for (;;) {
    char frame[FrameMax];
    ssize_t length = read(taps[0], frame, sizeof frame);
    if (length < 0) fail("read");
    for (size_t i = 1; i < count; i++)
      if (write(taps[i], frame, (size_t)length) < 0) fail("write");
  }
}

static void forwardBurst(int from, const int* taps, size_t count) {
  for (int i = 0; i < BurstSize; i++) {
    uint8_t frame[FrameMax];
    ssize_t length = read(from, frame, sizeof frame);
    if (length < 0 && errno == EAGAIN) return;
    if (length < 0) fail("read");
    size_t to = portOf(frame);
    if (to < count && write(taps[to], frame, (size_t)length) < 0) fail("write");
  }
}

static void forwardByAddress(const int* taps, size_t count) {
  int epoll = epoll_create1(EPOLL_CLOEXEC);
  if (epoll < 0) fail("epoll_create1");
  for (size_t i = 0; i < count; i++) {
    struct epoll_event event = {.events = EPOLLIN, .data.fd = taps[i]};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, taps[i], &event) < 0) fail("epoll_ctl");
  }
  for (;;) {
    struct epoll_event events[EventsMax];
    int ready = epoll_wait(epoll, events, EventsMax, -1);
    if (ready < 0) fail("epoll_wait");
    for (int i = 0; i < ready; i++) forwardBurst(events[i].data.fd, taps, count);
  }
}

int main(int argumentCount, char** arguments) {
  size_t count = argumentCount < 2 ? 0 : (size_t)argumentCount - 2;
  int byAddress = count > 0 && strcmp(arguments[1], "switch") == 0;
  if (count == 0 || (!byAddress && strcmp(arguments[1], "flood") != 0)) {
    fprintf(stderr, "usage: %s flood|switch NAME@NAMESPACE...\n", arguments[0]);
    return 2;
  }
  int* taps = calloc(count, sizeof *taps);
  if (taps == NULL) fail("calloc");
  for (size_t i = 0; i < count; i++)
    taps[i] = openTap(arguments[2 + i], 0, O_CLOEXEC | (byAddress ? O_NONBLOCK : 0));
  puts("ready");
  fflush(stdout);
  if (byAddress)
    forwardByAddress(taps, count);
  else
    flood(taps, count);
}
