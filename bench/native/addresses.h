// The addresses of the benchmark's hosts (bench/network.ts): 02:00:00:00 and then the number of the port,
// from 1.

#pragma once

#include <stddef.h>
#include <stdint.h>

/// The index, from 0, of the port that a frame is addressed to; more than any for other addresses. No table,
/// no hash: the least that a look-up can cost.
static inline size_t portOf(const uint8_t* frame) {
  static const uint8_t prefix[4] = {2, 0, 0, 0};
  size_t number = (size_t)frame[4] << 8 | frame[5];
  return __builtin_memcmp(frame, prefix, sizeof prefix) == 0 ? number - 1 : SIZE_MAX;
}
