// The least that moving frames within one process can cost, in C: look up the destination address in a table,
// and copy 60 bytes into a ring. Started by bench/peers/in-process.ts as the limit for generator and sink
// ports; ends on SIGTERM.
//
//   memory_ring CORE          one thread makes each frame, looks it up, copies it in and takes it out again
//   memory_ring CORE CORE     one thread makes, looks up and copies in; the other takes out
//
// Prints "ready" once it is warm, and one line of JSON at the end: `delivered`, the frames per second that
// were taken out since.
//
// Theory of operation. One writer and one reader share slots and two positions, each written by one of them.
// Positions are published once for a burst of 64 frames, as any program that cares for speed does, and stand
// in cache lines of their own. Each side keeps the other's position as it last saw it and looks again only
// when that does not suffice. Every frame is a new one, with a number in it that the reader checks.

#define _GNU_SOURCE
#include <pthread.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "common.h"

enum { FrameLength = 60, BurstSize = 64, Slots = 1024, TableSize = 256, WarmUpMilliseconds = 300 };

struct Slot {
  alignas(64) uint32_t length;
  uint8_t bytes[FrameLength];
};
_Static_assert(sizeof(struct Slot) == 64, "one cache line for each frame");

static struct Slot slots[Slots];
alignas(64) static _Atomic uint64_t written;
alignas(64) static _Atomic uint64_t taken;
alignas(64) static atomic_bool ended;

/// Destination addresses and the ports behind them, by a hash of the address.
static struct {
  uint64_t address;
  uint32_t port;
} table[TableSize];

static const uint64_t destination = 0x020000000002;

static uint32_t hashOf(uint64_t address) { return (uint32_t)((address * 0x9e3779b97f4a7c15u) >> 56); }

static uint32_t lookUp(const uint8_t* frame) {
  uint64_t address = 0;
  for (int i = 0; i < 6; i++) address = address << 8 | frame[i];
  uint32_t place = hashOf(address);
  while (table[place].address != address) {
    if (table[place].address == 0) return 0;
    place = (place + 1) % TableSize;
  }
  return table[place].port;
}

static void fillTable(void) {
  for (uint64_t i = 0; i < TableSize / 4; i++) {
    uint64_t address = destination + i;
    uint32_t place = hashOf(address);
    while (table[place].address != 0) place = (place + 1) % TableSize;
    table[place].address = address;
    table[place].port = 1;
  }
}

static void writeBurst(uint64_t at) {
  uint8_t frame[FrameLength] = {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x88, 0xb5};
  for (uint64_t number = at; number < at + BurstSize; number++) {
    memcpy(frame + 14, &number, sizeof number);
    if (lookUp(frame) == 0) abort();
    struct Slot* slot = &slots[number % Slots];
    slot->length = FrameLength;
    memcpy(slot->bytes, frame, FrameLength);
  }
}

static void readBurst(uint64_t at) {
  for (uint64_t number = at; number < at + BurstSize; number++) {
    uint64_t found;
    memcpy(&found, slots[number % Slots].bytes + 14, sizeof found);
    if (found != number || slots[number % Slots].length != FrameLength) abort();
  }
}

static void* writer(void* unused) {
  (void)unused;
  uint64_t position = 0;
  uint64_t free = Slots;
  while (!atomic_load_explicit(&ended, memory_order_relaxed)) {
    if (free - position < BurstSize) free = atomic_load_explicit(&taken, memory_order_acquire) + Slots;
    if (free - position < BurstSize) continue;
    writeBurst(position);
    position += BurstSize;
    atomic_store_explicit(&written, position, memory_order_release);
  }
  return NULL;
}

static void* reader(void* unused) {
  (void)unused;
  uint64_t position = 0;
  uint64_t there = 0;
  while (!atomic_load_explicit(&ended, memory_order_relaxed)) {
    if (there == position) there = atomic_load_explicit(&written, memory_order_acquire);
    if (there == position) continue;
    readBurst(position);
    position += BurstSize;
    atomic_store_explicit(&taken, position, memory_order_release);
  }
  return NULL;
}

static void* both(void* unused) {
  (void)unused;
  for (uint64_t position = 0; !atomic_load_explicit(&ended, memory_order_relaxed); position += BurstSize) {
    writeBurst(position);
    atomic_store_explicit(&written, position + BurstSize, memory_order_release);
    readBurst(position);
    atomic_store_explicit(&taken, position + BurstSize, memory_order_release);
  }
  return NULL;
}

static pthread_t startOn(const char* core, void* (*run)(void*)) {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  CPU_SET((size_t)strtoul(core, NULL, 10), &cores);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_t thread;
  if (pthread_attr_setaffinity_np(&attributes, sizeof cores, &cores) != 0 ||
      pthread_create(&thread, &attributes, run, NULL) != 0) {
    fprintf(stderr, "core %s: no thread can run there\n", core);
    exit(EXIT_FAILURE);
  }
  return thread;
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

int main(int count, char** arguments) {
  if (count != 2 && count != 3) {
    fprintf(stderr, "usage: %s CORE [CORE]\n", arguments[0]);
    return 2;
  }
  sigset_t ending;
  sigemptyset(&ending);
  sigaddset(&ending, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &ending, NULL);

  fillTable();
  pthread_t threads[2];
  int running = 0;
  threads[running++] = startOn(arguments[1], count == 2 ? both : writer);
  if (count == 3) threads[running++] = startOn(arguments[2], reader);

  usleep(WarmUpMilliseconds * 1000);
  uint64_t framesBefore = atomic_load(&taken);
  double before = now();
  sayReady();
  int signal;
  sigwait(&ending, &signal);
  double delivered = (double)(atomic_load(&taken) - framesBefore) / (now() - before);
  atomic_store(&ended, true);
  while (running > 0) pthread_join(threads[--running], NULL);
  printf("{\"delivered\": %.0f}\n", delivered);
  return 0;
}
