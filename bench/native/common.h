// What several programs of the benchmark share: how they end, and opening TAPs in network namespaces.

#pragma once

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/// Says what failed and why (errno), and ends the program.
static inline void fail(const char* what) {
  perror(what);
  exit(EXIT_FAILURE);
}

static volatile sig_atomic_t stopped;

static inline void stop(int number) {
  (void)number;
  stopped = 1;
}

/// From now on SIGTERM ends the call that waits, if one does, and sets `stopped`.
static inline void stopOnSigterm(void) {
  struct sigaction action = {.sa_handler = stop};
  sigaction(SIGTERM, &action, NULL);
}

/// What whoever started the program waits for.
static inline void sayReady(void) {
  puts("ready");
  fflush(stdout);
}

/// Makes a TAP, given as NAME@NAMESPACE with the path of a namespace (such as /proc/PID/ns/net), and leaves
/// the calling thread in that namespace. Flags are added to those of TUNSETIFF and of open(2).
static inline int openTap(const char* place, short deviceFlags, int openFlags) {
  const char* at = strchr(place, '@');
  if (at == NULL || at - place >= IFNAMSIZ) {
    fprintf(stderr, "%s: not NAME@NAMESPACE\n", place);
    exit(2);
  }
  int namespaceFd = open(at + 1, O_RDONLY | O_CLOEXEC);
  if (namespaceFd < 0) fail(at + 1);
  if (setns(namespaceFd, CLONE_NEWNET) < 0) fail("setns");
  close(namespaceFd);

  int fd = open("/dev/net/tun", O_RDWR | openFlags);
  if (fd < 0) fail("/dev/net/tun");
  struct ifreq request = {.ifr_flags = (short)(IFF_TAP | IFF_NO_PI | deviceFlags)};
  memcpy(request.ifr_name, place, (size_t)(at - place));
  if (ioctl(fd, TUNSETIFF, &request) < 0) fail("TUNSETIFF");
  return fd;
}
