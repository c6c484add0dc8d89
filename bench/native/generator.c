// Sends 60-byte Ethernet frames out of one interface as fast as one core can, until SIGTERM; then states how
// many. Started by bench/measures/forwarding.ts inside the sender's network namespace; one thread.
//
//   generator INTERFACE DESTINATION
//
// Prints "ready" before the first frame, and one line of JSON at the end: `sent` are the frames that the
// interface took, `refused` those it did not (a TAP whose queue is full, since its reader is slower),
// `seconds` the time.
//
// Frames go straight to the driver (PACKET_QDISC_BYPASS): a TAP has a queueing discipline by default and a
// veth has none, so going through it would compare queueing disciplines.

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/ether.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { FrameLength = 60, BatchSize = 64, EtherTypeExperimental = 0x88b5 };

struct TestFrame {
  struct ethhdr header;
  uint64_t sequence;  // network byte order
  uint8_t rest[FrameLength - sizeof(struct ethhdr) - sizeof(uint64_t)];
} __attribute__((packed));
_Static_assert(sizeof(struct TestFrame) == FrameLength, "the length without frame check sequence");

static volatile sig_atomic_t stopped;

static void stop(int number) {
  (void)number;
  stopped = 1;
}

static void fail(const char* what) {
  perror(what);
  exit(EXIT_FAILURE);
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/// A packet socket that only sends: protocol 0 receives nothing.
static int openSocket(const char* interface) {
  int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
  if (fd < 0) fail("socket(AF_PACKET)");
  struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex(interface)};
  if (address.sll_ifindex == 0) fail(interface);
  if (bind(fd, (struct sockaddr*)&address, sizeof address) < 0) fail("bind");
  int bypass = 1;
  if (setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &bypass, sizeof bypass) < 0)
    fail("PACKET_QDISC_BYPASS");
  return fd;
}

static struct ethhdr makeHeader(int fd, const char* interface, const char* destination) {
  struct ethhdr header = {.h_proto = htons(EtherTypeExperimental)};
  struct ifreq request = {0};
  strncpy(request.ifr_name, interface, IFNAMSIZ - 1);
  if (ioctl(fd, SIOCGIFHWADDR, &request) < 0) fail("SIOCGIFHWADDR");
  memcpy(header.h_source, request.ifr_hwaddr.sa_data, ETH_ALEN);
  struct ether_addr address;
  if (ether_aton_r(destination, &address) == NULL) {
    fprintf(stderr, "%s: not an Ethernet address\n", destination);
    exit(EXIT_FAILURE);
  }
  memcpy(header.h_dest, &address, ETH_ALEN);
  return header;
}

int main(int count, char** arguments) {
  if (count != 3) {
    fprintf(stderr, "usage: %s INTERFACE DESTINATION\n", arguments[0]);
    return 2;
  }
  int fd = openSocket(arguments[1]);
  struct ethhdr header = makeHeader(fd, arguments[1], arguments[2]);

  struct TestFrame frames[BatchSize] = {0};
  struct iovec vectors[BatchSize];
  struct mmsghdr messages[BatchSize] = {0};
  for (int i = 0; i < BatchSize; i++) {
    frames[i].header = header;
    vectors[i] = (struct iovec){.iov_base = &frames[i], .iov_len = sizeof frames[i]};
    messages[i].msg_hdr.msg_iov = &vectors[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }

  struct sigaction action = {.sa_handler = stop};
  sigaction(SIGTERM, &action, NULL);
  puts("ready");
  fflush(stdout);

  uint64_t sent = 0;
  uint64_t refused = 0;
  double start = now();
  while (!stopped) {
    for (int i = 0; i < BatchSize; i++) frames[i].sequence = htobe64(sent + (uint64_t)i);
    int taken = sendmmsg(fd, messages, BatchSize, 0);
    if (taken < 0 && errno != ENOBUFS && errno != EINTR) fail("sendmmsg");
    if (taken > 0) sent += (uint64_t)taken;
    if (taken < BatchSize) refused++;  // a batch ends early at the frame that the interface refused
  }
  printf("{\"sent\": %llu, \"refused\": %llu, \"seconds\": %.6f}\n", (unsigned long long)sent,
         (unsigned long long)refused, now() - start);
  return 0;
}
