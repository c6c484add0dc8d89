// Two programs of VDE in one, for a switch between them: one sends frames as fast as the switch takes them,
// the other receives and counts. Started by bench/peers/vde-sockets.ts; ends on SIGTERM.
//
//   vde_pair FOLDER LENGTH
//
// Prints "ready" once both have a port and frames pass, and one line of JSON at the end: `delivered`, the
// frames per second that have arrived since.
//
// Theory of operation. Both are in one thread: it sends a burst, and takes what has come. A switch that has
// the other core is never waited for; what it has no room for is not sent. The receiver has sent a frame
// first, so that the switch knows its address.

#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>

#include "common.h"

enum { BurstSize = 32, Room = 2048 };

struct Request {
  uint32_t magic, version, type;
  struct sockaddr_un socket;
} __attribute__((packed));

static const uint8_t addresses[2][6] = {{2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 2}};

/// Asks for a port; the connected socket of its frames. The connection stays open as long as this program.
static int plug(const char* folder, int number) {
  struct sockaddr_un control = {.sun_family = AF_UNIX}, own = {.sun_family = AF_UNIX}, given;
  snprintf(control.sun_path, sizeof control.sun_path, "%s/ctl", folder);
  snprintf(own.sun_path, sizeof own.sun_path, "%s/.%05d-%05d", folder, getpid(), number);
  const int stream = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int data = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  while (connect(stream, (struct sockaddr*)&control, sizeof control) < 0) {
    if (stopped || (errno != ENOENT && errno != ECONNREFUSED)) fail(control.sun_path);
    usleep(10000);  // it is about to be there
  }
  if (bind(data, (struct sockaddr*)&own, sizeof own) < 0) fail(own.sun_path);
  const struct Request request = {0xfeedface, 3, 0, own};
  if (write(stream, &request, sizeof request) != (ssize_t)sizeof request) fail("write");
  if (read(stream, &given, sizeof given) != (ssize_t)sizeof given) fail("read");
  if (connect(data, (struct sockaddr*)&given, sizeof given) < 0) fail(given.sun_path);
  unlink(own.sun_path);
  const int room = 1 << 20;
  setsockopt(data, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
  return data;
}

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int main(int count, char** words) {
  if (count != 3) return 2;
  const unsigned length = (unsigned)atoi(words[2]);
  if (length < 60 || length > Room) return 2;
  stopOnSigterm();
  const int sender = plug(words[1], 0), receiver = plug(words[1], 1);

  static uint8_t frame[Room], room[BurstSize][Room];
  memcpy(frame, addresses[1], 6);
  memcpy(frame + 6, addresses[0], 6);
  frame[12] = 0x88;
  frame[13] = 0xb5;
  static struct iovec out, in[BurstSize];
  static struct mmsghdr sending[BurstSize], receiving[BurstSize];
  out = (struct iovec){frame, length};
  for (int index = 0; index < BurstSize; ++index) {
    in[index] = (struct iovec){room[index], Room};
    sending[index].msg_hdr = (struct msghdr){.msg_iov = &out, .msg_iovlen = 1};
    receiving[index].msg_hdr = (struct msghdr){.msg_iov = &in[index], .msg_iovlen = 1};
  }

  uint8_t first[60] = {0};
  memcpy(first, addresses[0], 6);
  memcpy(first + 6, addresses[1], 6);
  first[12] = 0x88;
  first[13] = 0xb5;
  uint64_t delivered = 0;
  do {  // until frames pass
    send(receiver, first, sizeof first, 0);
    struct pollfd there = {sender, POLLIN, 0};
    if (poll(&there, 1, 100) == 1) break;
  } while (!stopped);
  sayReady();
  const double begin = seconds();
  while (!stopped) {
    sendmmsg(sender, sending, BurstSize, MSG_DONTWAIT);
    for (int got; (got = recvmmsg(receiver, receiving, BurstSize, MSG_DONTWAIT, NULL)) > 0;) {
      delivered += (unsigned)got;
      if (got < BurstSize) break;
    }
  }
  printf("{\"delivered\": %.0f}\n", (double)delivered / (seconds() - begin));
  return 0;
}
