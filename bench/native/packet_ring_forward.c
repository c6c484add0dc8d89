// The least a program can do to join two interfaces in one direction through the kernel's rings: frames are
// copied from the receive ring of one packet socket to the transmit ring of another. Started by the benchmark
// as the yardstick for packet sockets; one thread, ends on a signal.
//
//   packet_ring_forward INTERFACE_FROM NAMESPACE_FROM INTERFACE_TO NAMESPACE_TO
//
// A namespace is a path such as /proc/PID/ns/net. Prints "ready", and forwards for ever. Version 2 of the
// rings: version 3 shows a frame only with the whole block it is in, a millisecond later at worst. No
// virtio-net header: super-frames, undone checksums and VLAN tags that the kernel took out are lost, and what
// does not fit into a slot is cut.

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SlotSize = 2048, BlockSize = 65536, ReceiveSlots = 2048, TransmitSlots = 256, BurstSize = 64 };

struct Ring {
  uint8_t* slots;
  unsigned count;
  unsigned next;
};

static void fail(const char* what) {
  perror(what);
  exit(EXIT_FAILURE);
}

static void set(int fd, int option, const void* value, socklen_t size, const char* name) {
  if (setsockopt(fd, SOL_PACKET, option, value, size) < 0) fail(name);
}

/// A packet socket on an interface, with a ring; `protocol` 0 receives nothing.
static int openSocket(const char* interface, const char* namespacePath, int protocol, int option,
                      unsigned slots, struct Ring* ring) {
  int namespaceFd = open(namespacePath, O_RDONLY | O_CLOEXEC);
  if (namespaceFd < 0) fail(namespacePath);
  if (setns(namespaceFd, CLONE_NEWNET) < 0) fail("setns");
  close(namespaceFd);

  int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
  if (fd < 0) fail("socket(AF_PACKET)");
  int version = TPACKET_V2, yes = 1;
  set(fd, PACKET_VERSION, &version, sizeof version, "PACKET_VERSION");
  set(fd, PACKET_IGNORE_OUTGOING, &yes, sizeof yes, "PACKET_IGNORE_OUTGOING");
  struct tpacket_req shape = {.tp_block_size = BlockSize,
                              .tp_block_nr = slots / (BlockSize / SlotSize),
                              .tp_frame_size = SlotSize,
                              .tp_frame_nr = slots};
  set(fd, option, &shape, sizeof shape, "ring");
  ring->slots = mmap(NULL, (size_t)slots * SlotSize, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (ring->slots == MAP_FAILED) fail("mmap");
  ring->count = slots;

  struct sockaddr_ll address = {.sll_family = AF_PACKET,
                                .sll_protocol = htons((uint16_t)protocol),
                                .sll_ifindex = (int)if_nametoindex(interface)};
  if (address.sll_ifindex == 0) fail(interface);
  if (bind(fd, (struct sockaddr*)&address, sizeof address) < 0) fail("bind");
  return fd;
}

static struct tpacket2_hdr* slotOf(const struct Ring* ring) {
  return (struct tpacket2_hdr*)(ring->slots + (size_t)ring->next * SlotSize);
}

static uint32_t statusOf(const struct tpacket2_hdr* slot) {
  return __atomic_load_n(&slot->tp_status, __ATOMIC_ACQUIRE);
}

static void pass(struct Ring* ring, uint32_t status) {
  __atomic_store_n(&slotOf(ring)->tp_status, status, __ATOMIC_RELEASE);
  if (++ring->next == ring->count) ring->next = 0;
}

int main(int count, char** arguments) {
  if (count != 5) {
    fprintf(stderr, "usage: %s INTERFACE_FROM NAMESPACE_FROM INTERFACE_TO NAMESPACE_TO\n", arguments[0]);
    return 2;
  }
  struct Ring in = {0}, out = {0};
  int from = openSocket(arguments[1], arguments[2], ETH_P_ALL, PACKET_RX_RING, ReceiveSlots, &in);
  int to = openSocket(arguments[3], arguments[4], 0, PACKET_TX_RING, TransmitSlots, &out);
  puts("ready");
  fflush(stdout);

  for (;;) {
    unsigned moved = 0;
    for (; moved < BurstSize && (statusOf(slotOf(&in)) & TP_STATUS_USER); moved++) {
      const struct tpacket2_hdr* received = slotOf(&in);
      struct tpacket2_hdr* staged = slotOf(&out);
      if (statusOf(staged) == TP_STATUS_AVAILABLE) {  // else the interface is slower, and the frame is lost
        uint8_t* frame = (uint8_t*)staged + TPACKET2_HDRLEN - sizeof(struct sockaddr_ll);
        memcpy(frame, (const uint8_t*)received + received->tp_mac, received->tp_snaplen);
        staged->tp_len = received->tp_snaplen;
        pass(&out, TP_STATUS_SEND_REQUEST);
      }
      pass(&in, TP_STATUS_KERNEL);
    }
    if (moved != 0 && send(to, NULL, 0, MSG_DONTWAIT) < 0 && errno != EAGAIN && errno != ENOBUFS)
      fail("send");
    struct pollfd ready = {.fd = from, .events = POLLIN};
    if (moved < BurstSize && poll(&ready, 1, -1) < 0) fail("poll");
  }
}
