// Linked last into each prebuilt addon, in place of code that zig would bring along:
// Names of types, which the C++ library reads only to print them when an exception ends the process, and
// which are a fifteenth of the addon. Division of 128-bit numbers. zig's own comes in one piece with a plain
// memcpy and its own mathematics, which would stand before the C library's; test/native/prebuilt_test.cpp
// holds this one against the compiler's. On arm64 also the comparison of 128-bit floating point numbers, to
// which the C++ library's sorting refers. That there is a file behind core.a matters as well: of what follows
// one that is taken whole, zig takes all.
#include <stddef.h>
#include <stdint.h>

typedef unsigned __int128 Wide;

char* __cxa_demangle(const char* name, char* buffer, size_t* length, int* status);
Wide __udivti3(Wide number, Wide divisor);
__int128 __divti3(__int128 number, __int128 divisor);

char* __cxa_demangle(const char* name, char* buffer, size_t* length, int* status) {
  (void)name;
  (void)buffer;
  (void)length;
  const int invalidName = -2;
  if (status) *status = invalidName;
  return NULL;
}

// One digit of 64 bits: (high, low) / divisor, where high < divisor. Knuth, The Art of Computer Programming,
// volume 2, 4.3.1, algorithm D, with half digits of 32 bits.
static uint64_t digit(uint64_t high, uint64_t low, uint64_t divisor, uint64_t* rest) {
  const int shift = __builtin_clzll(divisor);
  divisor <<= shift;
  high = shift == 0 ? high : high << shift | low >> (64 - shift);
  low <<= shift;
  const uint64_t upper = divisor >> 32;
  const uint64_t lower = (uint32_t)divisor;
  uint64_t quotient = 0;
  for (int half = 1; half >= 0; --half) {
    const uint64_t next = half == 1 ? low >> 32 : (uint32_t)low;
    uint64_t guess = high / upper;
    uint64_t left = high % upper;
    while (guess >> 32 != 0 || guess * lower > (left << 32 | next)) {
      --guess;
      left += upper;
      if (left >> 32 != 0) break;
    }
    high = (high << 32 | next) - guess * divisor;
    quotient = quotient << 32 | guess;
  }
  *rest = high >> shift;
  return quotient;
}

Wide __udivti3(Wide number, Wide divisor) {
  const uint64_t high = (uint64_t)(number >> 64);
  const uint64_t low = (uint64_t)number;
  const uint64_t divisorHigh = (uint64_t)(divisor >> 64);
  const uint64_t divisorLow = (uint64_t)divisor;
  if (divisorHigh == 0) {
    if (high == 0) return low / divisorLow;
    uint64_t rest = high % divisorLow;
    const uint64_t first = high / divisorLow;
    return (Wide)first << 64 | digit(rest, low, divisorLow, &rest);
  }
  if (divisor > number) return 0;
  // The quotient has as few bits as the two differ by.
  uint64_t quotient = 0;
  int shift = __builtin_clzll(divisorHigh) - __builtin_clzll(high);
  for (divisor <<= shift; shift >= 0; --shift, divisor >>= 1) {
    quotient <<= 1;
    if (number >= divisor) {
      number -= divisor;
      quotient |= 1;
    }
  }
  return quotient;
}

__int128 __divti3(__int128 number, __int128 divisor) {
  const Wide quotient =
      __udivti3(number < 0 ? -(Wide)number : (Wide)number, divisor < 0 ? -(Wide)divisor : (Wide)divisor);
  return (__int128)((number < 0) != (divisor < 0) ? -quotient : quotient);
}

#ifdef __aarch64__
int __lttf2(long double left, long double right);

// Less than 0 where left < right, and above it where one of them is no number. IEEE 754 binary128: without
// their sign, numbers are in the order of their bits.
int __lttf2(long double left, long double right) {
  const Wide sign = (Wide)1 << 127;
  const Wide infinity = (Wide)0x7fff << 112;
  Wide bits[2];
  __builtin_memcpy(&bits[0], &left, sizeof left);
  __builtin_memcpy(&bits[1], &right, sizeof right);
  if ((bits[0] & ~sign) > infinity || (bits[1] & ~sign) > infinity) return 1;
  if (((bits[0] | bits[1]) & ~sign) == 0) return 0;
  for (int side = 0; side < 2; ++side) bits[side] = bits[side] & sign ? ~bits[side] : bits[side] | sign;
  return bits[0] < bits[1] ? -1 : bits[0] > bits[1];
}
#endif
