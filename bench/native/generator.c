// Sends Ethernet frames out of interfaces as fast as one core can, until SIGTERM; then states how many.
// Started by bench/measures/forwarding.ts inside the sender's network namespace; one thread.
//
//   generator LENGTH INTERFACE... to DESTINATION...
//
// LENGTH is that of every frame, 60 to 1514 bytes. The interfaces take turns, a batch each; each sends to all
// destinations but its own address, in turn, frame by frame. Where there are several, each first sends a
// single frame, slowly, so that a switch knows every address when the load begins.
//
// Prints "ready" before the load begins, and one line of JSON at the end: `sent` are the frames that the
// interfaces took, `batches` the tries to send one, `refused` those of them that ended early (at a TAP whose
// queue is full, since its reader is slower), `seconds` the time.

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <time.h>

#include "packet_sender.h"

enum { BatchSize = 64, IntroductionMicroseconds = 2000 };

/// The rest of a frame, up to its length, is zero.
struct TestFrame {
  struct ethhdr header;
  uint64_t sequence;  // network byte order
} __attribute__((packed));
_Static_assert(sizeof(struct TestFrame) <= LengthMin, "every frame holds it");

struct Sender {
  int fd;
  uint8_t address[ETH_ALEN];
  size_t next;  // destination
};

struct Addresses {
  uint8_t (*list)[ETH_ALEN];
  size_t count;
};

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static struct Addresses readAddresses(char** texts, size_t count) {
  struct Addresses addresses = {.list = calloc(count, ETH_ALEN), .count = count};
  if (addresses.list == NULL) fail("calloc");
  for (size_t i = 0; i < count; i++) {
    readAddress(texts[i], addresses.list[i]);
  }
  return addresses;
}

/// The sender's next destination that is not itself.
static const uint8_t* nextDestination(struct Sender* sender, struct Addresses addresses) {
  const uint8_t* address;
  do {
    address = addresses.list[sender->next];
    if (++sender->next == addresses.count) sender->next = 0;
  } while (memcmp(address, sender->address, ETH_ALEN) == 0);
  return address;
}

/// Writes the next frame of a sender.
static void fill(uint8_t* bytes, struct Sender* sender, struct Addresses destinations, uint64_t sequence) {
  struct TestFrame frame = {.header.h_proto = htons(EtherTypeExperimental), .sequence = htobe64(sequence)};
  memcpy(frame.header.h_source, sender->address, ETH_ALEN);
  memcpy(frame.header.h_dest, nextDestination(sender, destinations), ETH_ALEN);
  memcpy(bytes, &frame, sizeof frame);
}

static void usage(const char* program) {
  fprintf(stderr, "usage: %s LENGTH INTERFACE... to DESTINATION...\n", program);
  exit(2);
}

int main(int count, char** arguments) {
  int separator = 2;
  while (separator < count && strcmp(arguments[separator], "to") != 0) separator++;
  if (separator == 2 || separator >= count - 1) usage(arguments[0]);
  size_t length = strtoul(arguments[1], NULL, 10);
  if (length < LengthMin || length > LengthMax) usage(arguments[0]);

  size_t senderCount = (size_t)separator - 2;
  struct Sender* senders = calloc(senderCount, sizeof *senders);
  if (senders == NULL) fail("calloc");
  for (size_t i = 0; i < senderCount; i++) senders[i].fd = openSender(arguments[2 + i], senders[i].address);
  struct Addresses destinations = readAddresses(arguments + separator + 1, (size_t)(count - separator - 1));

  static uint8_t frames[BatchSize][LengthMax];
  struct iovec vectors[BatchSize];
  struct mmsghdr messages[BatchSize] = {0};
  for (int i = 0; i < BatchSize; i++) {
    vectors[i] = (struct iovec){.iov_base = frames[i], .iov_len = length};
    messages[i].msg_hdr.msg_iov = &vectors[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }

  stopOnSigterm();
  for (size_t i = 0; i < senderCount && senderCount > 1; i++) {
    fill(frames[0], &senders[i], destinations, 0);
    if (send(senders[i].fd, frames[0], length, 0) < 0) fail("send");
    usleep(IntroductionMicroseconds);
  }
  sayReady();

  uint64_t sent = 0;
  uint64_t batches = 0;
  uint64_t refused = 0;
  double start = now();
  for (size_t turn = 0; !stopped; turn = turn + 1 < senderCount ? turn + 1 : 0) {
    struct Sender* sender = &senders[turn];
    for (int i = 0; i < BatchSize; i++) fill(frames[i], sender, destinations, sent + (uint64_t)i);
    int taken = sendmmsg(sender->fd, messages, BatchSize, 0);
    if (taken < 0 && errno != ENOBUFS && errno != EINTR) fail("sendmmsg");
    if (taken > 0) sent += (uint64_t)taken;
    batches++;
    if (taken < BatchSize) refused++;  // a batch ends early at the frame that the interface refused
  }
  printf("{\"sent\": %llu, \"batches\": %llu, \"refused\": %llu, \"seconds\": %.6f}\n",
         (unsigned long long)sent, (unsigned long long)batches, (unsigned long long)refused, now() - start);
  return 0;
}
