// The first program (init) of the reference kernel, a user-mode-linux guest: puts netem on one end of a veth
// pair, sends numbered frames through it and writes down what came out of the other end, and when. Compiled
// and started by test/reference/guest.ts, which reads the results; runs as process 1 of the guest, one
// thread.
//
// The environment (from the kernel's command line) names a folder of the host, `scratch`, that holds
//   tasks    one line per measurement: COUNT LENGTH FIRST PACE SETTLE WORDS OF NETEM...
//            frames; bytes of each; bytes of the first; nanoseconds between two, 0 for as fast as it goes;
//            milliseconds without any arrival after which the measurement is over
//   modules  one path per line, in the order in which the kernel needs them
// and gets
//   results  one line of JSON per measurement:
//            {"sent":[BEFORE,AFTER, ...],"arrived":[TAG,EARLIEST,LATEST, ...]}
//
// Times. A guest can be held up at any moment, so a time that it reads can be late by any amount. All times
// are therefore intervals, in nanoseconds of the guest's clock since the measurement began. A frame was given
// to the kernel between BEFORE and AFTER. It arrived between EARLIEST, the last reading of the clock after
// which the socket was still seen empty, and LATEST, the kernel's own time stamp. The program never sleeps,
// so the intervals are as short as the machine allows. Frames with a length of 60 or more are whole Ethernet
// frames of type 0x88b5 with their number, 32 bits in network order, behind the type.
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace {

constexpr uint16_t kEtherType = 0x88b5;  // IEEE 802: local experiments
constexpr size_t kTagAt = 14;
constexpr size_t kBurst = 32;
constexpr size_t kLongest = 65000;
constexpr timespec kNap{0, 50'000};  // between two looks: other programs need the machine, too
const std::string kFolder = "/mnt";

[[noreturn]] void powerOff() {
  sync();
  reboot(RB_POWER_OFF);
  _exit(1);
}

[[noreturn]] void fail(const std::string& what) {
  std::printf("guest: %s\n", what.c_str());
  std::fflush(stdout);
  powerOff();
}

/// The result of a system call.
void check(bool good, const std::string& what) {
  if (!good) fail(what + ": " + std::strerror(errno));
}

int64_t now() {
  timespec time{};
  clock_gettime(CLOCK_REALTIME, &time);  // the clock of the kernel's time stamps
  return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

/// Runs a program to its end; its complaints go to the console, which the host reads.
void run(const std::string& command) {
  if (std::system(command.c_str()) != 0) fail(command);
}

void loadModules() {
  std::ifstream list(kFolder + "/modules");
  for (std::string name; std::getline(list, name);) {
    const int file = open(name.c_str(), O_RDONLY | O_CLOEXEC);
    check(file >= 0 && syscall(SYS_finit_module, file, "", 0) == 0, name);
    close(file);
  }
}

/// The guest's own world, a cable in it, and the host's folder.
void setUp() {
  const char* scratch = std::getenv("scratch");
  if (scratch == nullptr) fail("scratch is not set");
  setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 1);
  check(mount("proc", "/proc", "proc", 0, nullptr) == 0, "/proc");
  check(mount("none", kFolder.c_str(), "hostfs", 0, scratch) == 0, kFolder);
  loadModules();
  for (const char* each : {"all", "default"}) {  // nothing is sent but what we send
    std::ofstream(std::string("/proc/sys/net/ipv6/conf/") + each + "/disable_ipv6") << 1;
  }
  run("ip link add left mtu 65000 type veth peer name right mtu 65000");
  run("ip link set left up");
  run("ip link set right up");
}

int packetSocket(const char* interfaceName, uint16_t protocol) {
  const int socket = ::socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(protocol);
  address.sll_ifindex = static_cast<int>(if_nametoindex(interfaceName));
  check(bind(socket, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0, interfaceName);
  const int room = 64 << 20;
  check(setsockopt(socket, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room)) == 0, "SO_SNDBUFFORCE");
  check(setsockopt(socket, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) == 0, "SO_RCVBUFFORCE");
  const int on = 1;
  check(setsockopt(socket, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on)) == 0, "SO_TIMESTAMPNS");
  return socket;
}

struct Interval {
  int64_t from;
  int64_t to;
};

struct Arrival {
  uint32_t tag;
  Interval time;
};

/// The kernel's time stamp of a received message.
int64_t stampOf(msghdr& message) {
  for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr; part = CMSG_NXTHDR(&message, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_TIMESTAMPNS) continue;
    timespec time{};
    std::memcpy(&time, CMSG_DATA(part), sizeof(time));
    return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
  }
  fail("a frame without a time stamp");
}

class Sender {
 public:
  Sender(int socket, size_t length, size_t firstLength)
      : socket_(socket), length_(length), firstLength_(firstLength), bytes_(kBurst * kLongest) {}

  /// Sends up to kBurst frames, beginning with the number of frames sent so far.
  void send(size_t count) {
    std::array<mmsghdr, kBurst> messages{};
    std::array<iovec, kBurst> parts{};
    for (size_t index = 0; index < count; ++index) {
      const auto tag = static_cast<uint32_t>(sent.size() + index);
      uint8_t* frame = &bytes_[index * kLongest];
      std::memset(frame, 0, kTagAt);
      frame[0] = 0x02;
      frame[6] = 0x02;
      frame[11] = 0x01;
      const uint32_t words[] = {htons(kEtherType), htonl(tag)};
      std::memcpy(frame + kTagAt - 2, &words[0], 2);
      std::memcpy(frame + kTagAt, &words[1], 4);
      parts[index] = {frame, tag == 0 ? firstLength_ : length_};
      messages[index].msg_hdr.msg_iov = &parts[index];
      messages[index].msg_hdr.msg_iovlen = 1;
    }
    const int64_t before = now();
    for (size_t done = 0; done < count;) {
      const int taken = sendmmsg(socket_, &messages[done], static_cast<unsigned>(count - done), 0);
      check(taken >= 0 || errno == ENOBUFS, "sendmmsg");
      done += static_cast<size_t>(std::max(taken, 0));
      if (done < count) ++done;  // netem's queue was full, and this one is gone
    }
    const int64_t after = now();
    sent.insert(sent.end(), count, {before, after});
  }

  std::vector<Interval> sent;

 private:
  int socket_;
  size_t length_;
  size_t firstLength_;
  std::vector<uint8_t> bytes_;
};

class Receiver {
 public:
  explicit Receiver(int socket) : socket_(socket), lastEmpty_(now()) {}

  /// Takes what is there; returns when the socket is empty.
  void drain() {
    for (;;) {
      const int64_t asked = now();
      const size_t count = take();
      if (count == 0) {
        lastEmpty_ = asked;
        return;
      }
    }
  }

  std::vector<Arrival> arrived;

 private:
  size_t take() {
    struct Message {
      std::array<uint8_t, kTagAt + 4> start;
      alignas(cmsghdr) std::array<uint8_t, CMSG_SPACE(sizeof(timespec))> control;
    };
    std::array<Message, kBurst> room;
    std::array<mmsghdr, kBurst> messages{};
    std::array<iovec, kBurst> parts{};
    for (size_t index = 0; index < kBurst; ++index) {
      parts[index] = {room[index].start.data(), room[index].start.size()};
      msghdr& header = messages[index].msg_hdr;
      header.msg_iov = &parts[index];
      header.msg_iovlen = 1;
      header.msg_control = room[index].control.data();
      header.msg_controllen = room[index].control.size();
    }
    const int count = recvmmsg(socket_, messages.data(), kBurst, MSG_DONTWAIT, nullptr);
    if (count < 0) {
      check(errno == EAGAIN, "recvmmsg");
      return 0;
    }
    for (size_t index = 0; index < static_cast<size_t>(count); ++index) {
      uint32_t tag = 0;
      std::memcpy(&tag, room[index].start.data() + kTagAt, sizeof(tag));
      const int64_t stamp = stampOf(messages[index].msg_hdr);
      arrived.push_back({ntohl(tag), {std::min(lastEmpty_, stamp), stamp}});
    }
    return static_cast<size_t>(count);
  }

  int socket_;
  int64_t lastEmpty_;
};

struct Task {
  size_t count;
  size_t length;
  size_t firstLength;
  int64_t pace;
  int64_t settle;
  std::string words;
};

void write(std::ostream& results, int64_t began, const Sender& sender, const Receiver& receiver) {
  const char* comma = "";
  results << "{\"sent\":[";
  for (const Interval& time : sender.sent) {
    results << comma << time.from - began << ',' << time.to - began;
    comma = ",";
  }
  results << "],\"arrived\":[";
  comma = "";
  for (const auto& [tag, time] : receiver.arrived) {
    results << comma << tag << ',' << time.from - began << ',' << time.to - began;
    comma = ",";
  }
  results << "]}" << std::endl;
}

void measure(const Task& task, std::ostream& results) {
  run("tc qdisc add dev left root netem " + task.words);
  const int left = packetSocket("left", 0);
  const int right = packetSocket("right", kEtherType);
  Sender sender(left, task.length, task.firstLength);
  Receiver receiver(right);
  const int64_t began = now();
  int64_t last = began;  // when something was sent or came
  while (sender.sent.size() < task.count || now() - last < task.settle * 1'000'000) {
    const size_t before = receiver.arrived.size();
    receiver.drain();
    if (receiver.arrived.size() > before) last = now();
    const auto due = began + static_cast<int64_t>(sender.sent.size()) * task.pace;
    if (sender.sent.size() == task.count || now() < due) {
      nanosleep(&kNap, nullptr);
      continue;
    }
    sender.send(task.pace == 0 ? std::min(kBurst, task.count - sender.sent.size()) : 1);
    last = now();
  }
  write(results, began, sender, receiver);
  close(left);
  close(right);
  run("tc qdisc del dev left root");
}

}  // namespace

int main() {
  setUp();
  std::ifstream tasks(kFolder + "/tasks");
  std::ofstream results(kFolder + "/results");
  for (std::string line; std::getline(tasks, line);) {
    std::istringstream words(line);
    Task task{};
    words >> task.count >> task.length >> task.firstLength >> task.pace >> task.settle >> std::ws;
    if (words.fail() || !std::getline(words, task.words)) fail("cannot read the task: " + line);
    measure(task, results);
  }
  results.close();
  powerOff();
}
