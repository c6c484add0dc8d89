#include "os/seal.hpp"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/if_tun.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <vector>

namespace etherloom {
namespace {

#if defined(__x86_64__)
constexpr std::uint32_t ourArchitecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr std::uint32_t ourArchitecture = AUDIT_ARCH_AARCH64;
#else
constexpr std::uint32_t ourArchitecture = 0;
#endif

// The numbers of young calls, which not every header has: the same on both machines.
constexpr int processMadvise = 440, mountSetattr = 442, fchmodat2 = 452, setxattrat = 463,
              removexattrat = 466, openTreeAttr = 467, fileSetattr = 469;

/// Those that always reach beyond.
constexpr std::array refused {
  // programs and other processes
  __NR_execve, __NR_execveat, __NR_ptrace, __NR_process_vm_readv, __NR_process_vm_writev, __NR_pidfd_getfd,
      __NR_pidfd_send_signal, __NR_kcmp, processMadvise, __NR_setpriority, __NR_shmget, __NR_shmat,
      __NR_semget, __NR_msgget, __NR_mq_open, __NR_mq_unlink,
      // sockets: one of a pair could be connected anew, and be a file
      __NR_socketpair, __NR_connect,
      // files
      __NR_openat2, __NR_open_by_handle_at, __NR_unlinkat, __NR_renameat2, __NR_mkdirat, __NR_linkat,
      __NR_symlinkat, __NR_mknodat, __NR_fchmodat, __NR_fchownat, __NR_truncate, __NR_setxattr,
      __NR_lsetxattr, __NR_removexattr, __NR_renameat, __NR_fchmod, __NR_fchown, __NR_fsetxattr,
      __NR_fremovexattr, __NR_lremovexattr, __NR_utimensat, fchmodat2, setxattrat, removexattrat, fileSetattr,
#if defined(__x86_64__)
      __NR_creat, __NR_unlink, __NR_rename, __NR_mkdir, __NR_rmdir, __NR_link, __NR_symlink, __NR_mknod,
      __NR_chmod, __NR_chown, __NR_lchown, __NR_iopl, __NR_ioperm, __NR_utime, __NR_utimes, __NR_futimesat,
#endif
      // namespaces and mounts
      __NR_setns, __NR_unshare, __NR_mount, __NR_umount2, __NR_pivot_root, __NR_chroot, __NR_move_mount,
      __NR_open_tree, __NR_fsopen, __NR_fsmount, __NR_fspick, __NR_fsconfig, mountSetattr, openTreeAttr,
      // the kernel
      __NR_bpf, __NR_perf_event_open, __NR_userfaultfd, __NR_io_uring_setup, __NR_init_module,
      __NR_finit_module, __NR_delete_module, __NR_kexec_load, __NR_reboot, __NR_swapon, __NR_swapoff,
      __NR_sethostname, __NR_setdomainname, __NR_settimeofday, __NR_clock_settime, __NR_clock_adjtime,
      __NR_adjtimex, __NR_acct, __NR_quotactl, __NR_add_key, __NR_request_key, __NR_keyctl,
      // rights
      __NR_capset, __NR_setuid, __NR_setgid, __NR_setreuid, __NR_setregid, __NR_setresuid, __NR_setresgid,
      __NR_setgroups, __NR_setfsuid, __NR_setfsgid
};

/// Requests to what is open that reach beyond it.
constexpr std::array<std::uint32_t, 9> refusedRequests{
    TIOCSTI,         TIOCLINUX,  // types into the terminal, for the shell that reads it next
    TUNSETIFF,       TUNSETPERSIST,    TUNSETOWNER, TUNSETGROUP, SIOCSIFHWADDR,  // TAPs
    FS_IOC_SETFLAGS, FS_IOC_FSSETXATTR                                           // files
};

constexpr std::uint32_t forWriting = O_WRONLY | O_RDWR | O_CREAT | O_TRUNC;
constexpr std::uint32_t newNamespace =
    CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWCGROUP;

/// A program that answers for every system call: jumps are counted from the next instruction.
class Filter {
 public:
  Filter() {
    load(offsetof(seccomp_data, arch));
    add(BPF_JMP | BPF_JEQ | BPF_K, ourArchitecture, 1, 0);
    add(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
    load(offsetof(seccomp_data, nr));
#if defined(__x86_64__)
    add(BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 0, 1);  // those of x32
    add(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS);
#endif
  }
  void answer(int call, int error) {
    add(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(call), 0, 1);
    add(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(error));
  }
  /// Refuses the call where its argument has one of these bits; else it passes.
  void refuseBits(int call, unsigned argument, std::uint32_t bits) {
    judge(call, argument, BPF_JSET, bits, false);
  }
  void refuseValue(int call, unsigned argument, std::uint32_t value) {
    judge(call, argument, BPF_JEQ, value, false);
  }
  void passValue(int call, unsigned argument, std::uint32_t value) {
    judge(call, argument, BPF_JEQ, value, true);
  }
  /// For every thread; whatever was not answered for passes.
  [[nodiscard]] bool install() {
    add(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    const sock_fprog program{static_cast<unsigned short>(code_.size()), code_.data()};
    return syscall(__NR_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) == 0;
  }

 private:
  void add(int code, std::uint32_t value, std::uint8_t yes = 0, std::uint8_t no = 0) {
    code_.push_back({static_cast<std::uint16_t>(code), yes, no, value});
  }
  void load(std::size_t offset) { add(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(offset)); }
  // The lower half of an argument, which both machines have first. What passes may be judged again.
  void judge(int call, unsigned argument, int test, std::uint32_t value, bool passes) {
    add(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(call), 0, 4);
    load(offsetof(seccomp_data, args) + argument * sizeof(std::uint64_t));
    add(BPF_JMP | test | BPF_K, value, passes ? 1 : 0, passes ? 0 : 1);
    add(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM);
    load(offsetof(seccomp_data, nr));
  }

  std::vector<sock_filter> code_;
};

}  // namespace

Result<void> seal() {
  if (ourArchitecture == 0) return Error{ENOSYS, "", "a process can be sealed on x86-64 and arm64 only"};
  Filter filter;
  for (const int call : refused) filter.answer(call, EPERM);
  filter.answer(__NR_clone3, ENOSYS);  // its flags cannot be seen; libraries use clone then
  filter.refuseBits(__NR_clone, 0, newNamespace);
  filter.refuseBits(__NR_openat, 2, forWriting);
#if defined(__x86_64__)
  filter.refuseBits(__NR_open, 1, forWriting);
#endif
  filter.passValue(__NR_socket, 0, AF_NETLINK);
  filter.passValue(__NR_prlimit64, 0, 0);  // of this process
  for (const std::uint32_t request : refusedRequests) filter.refuseValue(__NR_ioctl, 1, request);
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || !filter.install())
    return Error::last("seccomp", "the process cannot be sealed");
  return {};
}

}  // namespace etherloom
