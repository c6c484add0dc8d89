// What a thread of ours asks of the kernel, once, as its first act.
#pragma once

#include <pthread.h>
#include <sys/prctl.h>

#include <csignal>
#include <cstdio>

namespace etherloom {

/// Leaves all signals to the rest of the process.
inline void blockSignals() {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
}

/// Names the thread, blocks signals, and asks for wake-ups to the nanosecond (PR_SET_TIMERSLACK).
inline void prepareWorkerThread(unsigned index) {
  char name[16];
  std::snprintf(name, sizeof name, "etherloom-%u", index);
  pthread_setname_np(pthread_self(), name);
  blockSignals();
  prctl(PR_SET_TIMERSLACK, 1UL, 0, 0, 0);
}

}  // namespace etherloom
