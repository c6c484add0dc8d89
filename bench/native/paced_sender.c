// Sends Ethernet frames out of one interface at an even pace, each with the time at which it was sent, until
// SIGTERM. Started by bench/measures/arrivals.ts inside the sender's network namespace; one thread, which
// waits for the next frame by looking at the clock, so it wants a core of its own.
//
//   paced_sender INTERFACE DESTINATION FRAMES_PER_SECOND LENGTH
//
// Prints "ready" before the first frame, and one line of JSON at the end: `sent` are the frames that the
// interface took, `refused` those it did not, `seconds` the time. A sender that was kept from its core
// catches up, so that the mean pace holds; the time in a frame is always that of its own sending.

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <sys/prctl.h>
#include <time.h>

#include "packet_sender.h"
#include "timed_frame.h"

static const uint64_t nanosecondsPerSecond = 1000000000;
/// A thread that sleeps is late by less than this, on a machine that is not overloaded.
static const uint64_t latenessOfSleep = 100000;

static uint64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_REALTIME, &time);
  return (uint64_t)time.tv_sec * nanosecondsPerSecond + (uint64_t)time.tv_nsec;
}

static void waitUntil(uint64_t instant) {
  for (uint64_t at = now(); at < instant && !stopped; at = now()) {
    if (instant - at <= latenessOfSleep) continue;
    struct timespec pause = {.tv_sec = (time_t)((instant - at - latenessOfSleep) / nanosecondsPerSecond),
                             .tv_nsec = (long)((instant - at - latenessOfSleep) % nanosecondsPerSecond)};
    nanosleep(&pause, NULL);
  }
}

int main(int count, char** arguments) {
  double pace = count == 5 ? strtod(arguments[3], NULL) : 0;
  size_t length = count == 5 ? strtoul(arguments[4], NULL, 10) : 0;
  if (!(pace > 0) || length < LengthMin || length > LengthMax) {
    fprintf(stderr, "usage: %s INTERFACE DESTINATION FRAMES_PER_SECOND LENGTH\n", arguments[0]);
    return 2;
  }
  char bytes[LengthMax] = {0};
  struct TimedFrame frame = {.header.h_proto = htons(EtherTypeExperimental)};
  int fd = openSender(arguments[1], frame.header.h_source);
  readAddress(arguments[2], frame.header.h_dest);
  prctl(PR_SET_TIMERSLACK, 1);

  stopOnSigterm();
  sayReady();

  uint64_t sent = 0;
  uint64_t refused = 0;
  uint64_t start = now();
  for (uint64_t number = 0; !stopped; number++) {
    waitUntil(start + (uint64_t)((double)number * (double)nanosecondsPerSecond / pace));
    frame.sequence = htobe64(number);
    frame.sentAt = htobe64(now());
    memcpy(bytes, &frame, sizeof frame);
    if (send(fd, bytes, length, 0) >= 0) {
      sent++;
    } else if (errno == ENOBUFS) {
      refused++;
    } else if (errno != EINTR) {
      fail("send");
    }
  }
  printf("{\"sent\": %llu, \"refused\": %llu, \"seconds\": %.6f}\n", (unsigned long long)sent,
         (unsigned long long)refused, (double)(now() - start) / 1e9);
  return 0;
}
