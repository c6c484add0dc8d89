// The least a program can do to join two TAPs in one direction: read() a frame here, write() it there.
// Started by bench/peers/c-loop.ts as the yardstick for everything in user space; one thread, blocking, ends
// on a signal.
//
//   tap_forward NAME NAMESPACE_FROM NAMESPACE_TO
//
// Makes a TAP called NAME in each namespace (a path such as /proc/PID/ns/net), prints "ready", and forwards
// for ever.

#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static void fail(const char* what) {
  perror(what);
  exit(EXIT_FAILURE);
}

static int openTap(const char* name, const char* namespacePath) {
  int namespaceFd = open(namespacePath, O_RDONLY | O_CLOEXEC);
  if (namespaceFd < 0) fail(namespacePath);
  if (setns(namespaceFd, CLONE_NEWNET) < 0) fail("setns");
  close(namespaceFd);

  int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
  if (fd < 0) fail("/dev/net/tun");
  struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
  strncpy(request.ifr_name, name, IFNAMSIZ - 1);
  if (ioctl(fd, TUNSETIFF, &request) < 0) fail("TUNSETIFF");
  return fd;
}

int main(int count, char** arguments) {
  if (count != 4) {
    fprintf(stderr, "usage: %s NAME NAMESPACE_FROM NAMESPACE_TO\n", arguments[0]);
    return 2;
  }
  int from = openTap(arguments[1], arguments[2]);
  int to = openTap(arguments[1], arguments[3]);
  puts("ready");
  fflush(stdout);

  for (;;) {
    char frame[2048];
    ssize_t length = read(from, frame, sizeof frame);
    if (length < 0) fail("read");
    if (write(to, frame, (size_t)length) < 0) fail("write");
  }
}
