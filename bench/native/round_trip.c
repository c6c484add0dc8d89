// One UDP datagram at a time, there and back. Started by bench/measures/round-trip.ts in the namespaces of
// both hosts; one thread with one blocking socket each, until SIGTERM.
//
//   round_trip echo                  the receiver: sends back what it gets
//   round_trip ask ADDRESS LENGTH    the sender: LENGTH bytes of payload, again as soon as the answer is
//   there
//
// Both print "ready"; `ask` does so after its first round trip, so that addresses are resolved. At the end it
// states `count`, `lost` (no answer within a tenth of a second), and the `median`, the `p99` and the
// `longest` in microseconds.

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

#include "common.h"

enum { Port = 7, LargestPayload = 1472, AnswerWithinMicroseconds = 100000 };

static uint64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static int compare(const void* left, const void* right) {
  uint32_t a = *(const uint32_t*)left;
  uint32_t b = *(const uint32_t*)right;
  return (a > b) - (a < b);
}

static void echo(int fd) {
  struct sockaddr_in own = {.sin_family = AF_INET, .sin_port = htons(Port)};
  if (bind(fd, (struct sockaddr*)&own, sizeof own) < 0) fail("bind");
  sayReady();
  while (!stopped) {
    char payload[LargestPayload];
    struct sockaddr_in from;
    socklen_t fromLength = sizeof from;
    ssize_t length = recvfrom(fd, payload, sizeof payload, 0, (struct sockaddr*)&from, &fromLength);
    if (length < 0 && errno == EINTR) continue;
    if (length < 0) fail("recvfrom");
    if (sendto(fd, payload, (size_t)length, 0, (struct sockaddr*)&from, fromLength) < 0) fail("sendto");
  }
}

/// One round trip; false when there was no answer in time. An answer that comes later is told by its number.
static bool ask(int fd, char* payload, size_t length, uint32_t number) {
  memcpy(payload, &number, sizeof number);
  if (send(fd, payload, length, 0) < 0 && errno != EINTR) fail("send");
  for (;;) {
    char answer[LargestPayload];
    ssize_t got = recv(fd, answer, sizeof answer, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR || errno == ECONNREFUSED || errno == EHOSTUNREACH))
      return false;
    if (got < 0) fail("recv");
    if ((size_t)got == length && memcmp(answer, &number, sizeof number) == 0) return true;
  }
}

static void askForever(int fd, const char* address, size_t length) {
  struct sockaddr_in peer = {.sin_family = AF_INET, .sin_port = htons(Port)};
  if (inet_pton(AF_INET, address, &peer.sin_addr) != 1) fail(address);
  if (connect(fd, (struct sockaddr*)&peer, sizeof peer) < 0) fail("connect");
  struct timeval patience = {.tv_usec = AnswerWithinMicroseconds};
  if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) < 0) fail("SO_RCVTIMEO");

  char payload[LargestPayload] = {0};
  uint32_t number = 0;
  while (!stopped && !ask(fd, payload, length, number++)) continue;
  sayReady();

  size_t count = 0;
  size_t room = 0;
  uint64_t lost = 0;
  uint32_t* times = NULL;
  while (!stopped) {
    if (count == room) {
      room = room == 0 ? 1 << 16 : room * 2;
      times = realloc(times, room * sizeof *times);
      if (times == NULL) fail("realloc");
    }
    uint64_t start = now();
    if (ask(fd, payload, length, number++)) {
      times[count++] = (uint32_t)(now() - start);
    } else if (!stopped) {
      lost++;
    }
  }
  if (count == 0) {
    fprintf(stderr, "no answer came back\n");
    exit(EXIT_FAILURE);
  }
  qsort(times, count, sizeof *times, compare);
  printf("{\"count\": %zu, \"lost\": %llu, \"median\": %.3f, \"p99\": %.3f, \"longest\": %.3f}\n", count,
         (unsigned long long)lost, times[count / 2] / 1e3, times[count - 1 - count / 100] / 1e3,
         times[count - 1] / 1e3);
  free(times);
}

int main(int count, char** arguments) {
  bool echoes = count == 2 && strcmp(arguments[1], "echo") == 0;
  bool asks = count == 4 && strcmp(arguments[1], "ask") == 0;
  long length = asks ? strtol(arguments[3], NULL, 10) : 0;
  if (!echoes && (!asks || length < (long)sizeof(uint32_t) || length > LargestPayload)) {
    fprintf(stderr, "usage: %s echo | ask ADDRESS LENGTH\n", arguments[0]);
    return 2;
  }
  stopOnSigterm();
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) fail("socket");
  if (echoes) {
    echo(fd);
  } else {
    askForever(fd, arguments[2], (size_t)length);
  }
  return 0;
}
