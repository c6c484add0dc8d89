// A seal: what a process gives up once it has everything it will ever need. Called by the binding, on the
// main thread, for `etherloom up --sealed`.
#pragma once

#include "os/error.hpp"

namespace etherloom {

/// From now on, for every thread of the process and for ever, system calls that would reach beyond what is
/// open already fail with EPERM: starting programs; opening files for writing, removing, renaming or changing
/// them; making sockets, but for netlink ones, which only ask then, and connecting them; making TAPs and
/// changing whose they are; typing into a terminal; namespaces and mounts; tracing other processes, and their
/// limits; the kernel's settings and modules. Reading files is not refused, /proc among them; nor are
/// signals. A program that is started anyway gains no rights (PR_SET_NO_NEW_PRIVS). What is open stays as it
/// is. Privilege: none. seccomp(2).
[[nodiscard]] Result<void> seal();

}  // namespace etherloom
