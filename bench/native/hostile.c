// A peer that does harm, at the Unix stream socket PATH, until it is killed. Started by
// bench/peers/beside-attack.ts.
//
//   hostile records LENGTH PATH    records of LENGTH zeros, without pause
//   hostile sources COUNT PATH     broadcasts of 60 bytes from COUNT addresses in turn
//   hostile silent COUNT PATH      COUNT connections that never send nor read
//   hostile storm COUNT PATH       connects and goes without pause, COUNT connections at a time
//
// Prints "ready" when it is connected.

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "common.h"

enum { Longest = 69632, AtOnce = 256 };

static int dial(const char* path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  strncpy(address.sun_path, path, sizeof address.sun_path - 1);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) fail("socket");
  if (connect(fd, (struct sockaddr*)&address, sizeof address) < 0) fail("connect");
  return fd;
}

static void writeForEver(int fd, const char* bytes, size_t length) {
  for (size_t at = 0;;) {
    ssize_t taken = write(fd, bytes + at, length - at);
    if (taken < 0) fail("write");
    at = (at + (size_t)taken) % length;
  }
}

int main(int count, char** arguments) {
  const char* what = count == 4 ? arguments[1] : "";
  long number = count == 4 ? strtol(arguments[2], NULL, 10) : -1;
  if (number < 0) {
    fprintf(stderr, "usage: %s records|sources|silent|storm NUMBER PATH\n", arguments[0]);
    return 2;
  }
  const char* path = arguments[3];
  struct rlimit files;
  if (getrlimit(RLIMIT_NOFILE, &files) < 0) fail("getrlimit");
  files.rlim_cur = files.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &files) < 0) fail("setrlimit");

  if (strcmp(what, "silent") == 0) {
    for (long made = 0; made < number; made++) dial(path);
    sayReady();
    for (;;) pause();
  }
  if (strcmp(what, "storm") == 0) {
    int held[AtOnce];
    if (number > AtOnce) return 2;
    for (bool said = false;; said = true) {
      for (long each = 0; each < number; each++) held[each] = dial(path);
      for (long each = 0; each < number; each++) close(held[each]);
      if (!said) sayReady();
    }
  }
  int fd = dial(path);
  sayReady();
  if (strcmp(what, "records") == 0) {
    if (number > Longest) return 2;
    static char record[4 + Longest];
    uint32_t length = htonl((uint32_t)number);
    static char many[64 * (4 + Longest)];
    memcpy(record, &length, sizeof length);
    size_t size = 4 + (size_t)number;
    for (size_t each = 0; each < 64; each++) memcpy(many + each * size, record, size);
    writeForEver(fd, many, 64 * size);
  }
  static char frames[AtOnce * 64];
  for (uint32_t source = 0;;) {
    for (size_t each = 0; each < AtOnce;
         each++, source = number == 0 ? source + 1 : (source + 1) % (uint32_t)number) {
      char* frame = frames + each * 64;
      uint32_t length = htonl(60), mixed = source * 2654435761u;
      memcpy(frame, &length, 4);
      memset(frame + 4, 0xff, 6);
      frame[10] = 2;
      memcpy(frame + 12, &mixed, 4);
      frame[16] = (char)0x88, frame[17] = (char)0xb5;
    }
    for (size_t at = 0; at < sizeof frames;) {
      ssize_t taken = write(fd, frames + at, sizeof frames - at);
      if (taken < 0) fail("write");
      at += (size_t)taken;
    }
  }
}
