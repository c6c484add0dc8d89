// Opens TAPs in network namespaces and becomes another program, which inherits their descriptors from 3 on,
// in that order. Started by the peers of bench/peers/ that take open TAPs: QEMU's hub and the hub in
// JavaScript.
//
//   with_taps NAME@NAMESPACE... -- PROGRAM ARGUMENT...

#define _GNU_SOURCE

#include "common.h"

enum { FirstDescriptor = 3 };

int main(int count, char** arguments) {
  int separator = 1;
  while (separator < count && strcmp(arguments[separator], "--") != 0) separator++;
  if (separator == 1 || separator >= count - 1) {
    fprintf(stderr, "usage: %s NAME@NAMESPACE... -- PROGRAM ARGUMENT...\n", arguments[0]);
    return 2;
  }
  for (int i = 1; i < separator; i++) {
    int fd = openTap(arguments[i], 0, 0);
    int wanted = FirstDescriptor + i - 1;
    if (fd == wanted) continue;
    if (dup2(fd, wanted) < 0) fail("dup2");
    close(fd);
  }
  execvp(arguments[separator + 1], arguments + separator + 1);
  fail(arguments[separator + 1]);
}
