#include "ports/generator_port.hpp"

#include <algorithm>
#include <cstring>

namespace etherloom {

GeneratorPort::GeneratorPort(const Settings& settings)
    : Port(FramePool::largeCapacity), length_(settings.length), count_(settings.count) {
  static_assert(sizeof pattern_ <= FramePool::smallCapacity);
  std::copy(settings.destination.begin(), settings.destination.end(), pattern_.begin());
  std::copy(settings.source.begin(), settings.source.end(), pattern_.begin() + 6);
  writeBig16(pattern_.data() + 12, etherType);
}

Result<void> GeneratorPort::open(Io&, PortKey key) {
  key_ = key;
  return {};
}

void GeneratorPort::run(bool running) noexcept {
  running_ = running;
  if (running) announce(key_);
}

// While the pool is used up it makes fewer frames, or none, and tries again in the next turn: frames come
// back with time, which passes meanwhile. On a virtual clock time passes because a turn without a frame does
// not count as one in which something moved.
RxState GeneratorPort::receive(RxBurst& burst) noexcept {
  if (!running_) return RxState::Drained;
  while (burst.room() > 0 && number_ != count_) {
    Frame* frame = pool().acquire(BufferClass::Small);
    if (!frame) break;
    for (std::size_t at = 0; at < length_; at += line) {
      std::memcpy(frame->data + at, pattern_.data() + at, line);
    }
    writeBig64(frame->data + ethernetHeaderLength, number_++);
    frame->length = length_;
    burst.add(frame);
  }
  return number_ != count_ ? RxState::More : RxState::Drained;
}

}  // namespace etherloom
