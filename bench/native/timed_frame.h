// The frames that paced_sender.c sends and frame_meter.c takes the time of.
//
// Their clock is CLOCK_REALTIME, by which the kernel stamps what it receives. What is adjusted while a frame
// is under way falsifies its time: by 500 parts per million at most where time is kept by NTP.

#pragma once

#include <linux/if_ether.h>
#include <stdint.h>

/// The start of every frame; zeros follow. Both numbers are in network byte order.
struct TimedFrame {
  struct ethhdr header;
  uint64_t sequence;
  uint64_t sentAt;  // nanoseconds
} __attribute__((packed));
