// Sending Ethernet frames out of an interface by a packet socket, as generator.c and paced_sender.c do.
//
// Frames go straight to the driver (PACKET_QDISC_BYPASS): a TAP has a queueing discipline by default and a
// veth has none, so going through it would compare queueing disciplines.

#pragma once

#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <netinet/ether.h>
#include <stdint.h>
#include <sys/socket.h>

#include "common.h"

enum { LengthMin = 60, LengthMax = 1514, EtherTypeExperimental = 0x88b5 };

/// A packet socket that only sends: protocol 0 receives nothing. `address` becomes the interface's own.
static inline int openSender(const char* interface, uint8_t address[ETH_ALEN]) {
  int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
  if (fd < 0) fail("socket(AF_PACKET)");
  struct sockaddr_ll place = {.sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex(interface)};
  if (place.sll_ifindex == 0) fail(interface);
  if (bind(fd, (struct sockaddr*)&place, sizeof place) < 0) fail("bind");
  int bypass = 1;
  if (setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &bypass, sizeof bypass) < 0)
    fail("PACKET_QDISC_BYPASS");

  struct ifreq request = {0};
  strncpy(request.ifr_name, interface, IFNAMSIZ - 1);
  if (ioctl(fd, SIOCGIFHWADDR, &request) < 0) fail("SIOCGIFHWADDR");
  memcpy(address, request.ifr_hwaddr.sa_data, ETH_ALEN);
  return fd;
}

/// Reads an address such as 02:00:00:00:00:01.
static inline void readAddress(const char* text, uint8_t into[ETH_ALEN]) {
  struct ether_addr address;
  if (ether_aton_r(text, &address) == NULL) {
    fprintf(stderr, "%s: not an Ethernet address\n", text);
    exit(EXIT_FAILURE);
  }
  memcpy(into, &address, ETH_ALEN);
}
