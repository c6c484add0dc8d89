// The least a program can do to join pairs of TAPs in both directions: what read() gives on one, write() puts
// on the other. Started by bench/peers/c-join.ts as the yardstick for user space; one thread, ends on a
// signal.
//
//   tap_join block|spin|offload NAME@NAMESPACE NAME@NAMESPACE [NAME@NAMESPACE NAME@NAMESPACE]...
//
// Makes the TAPs, prints "ready", and forwards
// for ever. `block` waits in poll(2) while all are empty, `spin` reads again at once. `offload` waits like
// `block` and lets both kernels leave TCP in pieces of up to 64 KiB without checksums: the virtio-net header
// in front of each (virtio 1.2, 5.1.6) goes from one to the other untouched.

#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdbool.h>

#include "common.h"

enum {
  VirtioHeaderSize = 12,
  LargestFrame = VirtioHeaderSize + 18 + 65535,  // with an Ethernet header and a VLAN tag
  ReadsPerTurn = 64,                             // so that no direction waits long for another
  MostEnds = 16,
};

static int openEnd(const char* place, bool offload) {
  int fd = openTap(place, offload ? IFF_VNET_HDR : 0, O_NONBLOCK);
  if (offload) {
    int size = VirtioHeaderSize;
    if (ioctl(fd, TUNSETVNETHDRSZ, &size) < 0) fail("TUNSETVNETHDRSZ");
    if (ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6) < 0) fail("TUNSETOFFLOAD");
  }
  return fd;
}

/// Moves what is there, up to a limit, and returns whether that was anything. What the other side refuses
/// (its interface is not up yet, say) is lost, as on any Ethernet.
static bool forward(int from, int to) {
  static char frame[LargestFrame];
  for (int count = 0; count < ReadsPerTurn; count++) {
    ssize_t length = read(from, frame, sizeof frame);
    if (length < 0 && errno == EAGAIN) return count != 0;
    if (length < 0) fail("read");
    if (write(to, frame, (size_t)length) < 0 && errno != EAGAIN && errno != EIO) fail("write");
  }
  return true;
}

int main(int count, char** arguments) {
  const char* mode = count >= 4 && count % 2 == 0 && count - 2 <= MostEnds ? arguments[1] : "";
  bool spin = strcmp(mode, "spin") == 0;
  bool offload = strcmp(mode, "offload") == 0;
  if (!spin && !offload && strcmp(mode, "block") != 0) {
    fprintf(stderr, "usage: %s block|spin|offload NAME@NAMESPACE NAME@NAMESPACE...\n", arguments[0]);
    return 2;
  }
  struct pollfd ends[MostEnds];
  nfds_t all = (nfds_t)(count - 2);
  for (nfds_t end = 0; end < all; end++)
    ends[end] = (struct pollfd){.fd = openEnd(arguments[end + 2], offload), .events = POLLIN};
  sayReady();

  for (;;) {
    bool moved = false;
    for (nfds_t end = 0; end < all; end++) moved |= forward(ends[end].fd, ends[end ^ 1].fd);
    if (!moved && !spin && poll(ends, all, -1) < 0) fail("poll");
  }
}
