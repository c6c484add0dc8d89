#include "frame/pool.hpp"

#include <array>
#include <cassert>
#include <cstring>
#include <new>
#include <span>
#include <utility>

namespace etherloom {
namespace {

/// From one buffer to the next, in bytes: an odd number of cache lines. At a power of two the headers of all
/// frames would share two sets of a processor's first cache, and a burst of them would not fit there.
constexpr std::size_t stride(BufferClass bufferClass) {
  constexpr std::size_t line = 64;
  return ((sizeof(Frame) + FramePool::headroom + FramePool::capacity(bufferClass)) / line | 1) * line;
}
static_assert(stride(BufferClass::Small) == 2048 + 64);

/// Asks for a cache line that another processor has read, in order to write it. In assembly on x86-64, where
/// compilers know the instruction only for named processors; those without it pass over it.
inline void fetchToWrite(const Frame* line) {
#if defined(__x86_64__)
  asm volatile("prefetchw %0" : : "m"(*line));
#else
  __builtin_prefetch(line, 1);
#endif
}

/// What a carrier has in its buffer: the frames that it brings along, and the carrier that was sent before
/// it.
struct Bundle {
  Frame* before;
  std::array<Frame*, FramePool::bundleSize> frames;
};
static_assert(sizeof(Bundle) <= FramePool::headroom + FramePool::smallCapacity);

Bundle& bundleOf(Frame* carrier) {
  // SAFETY: nobody refers to the buffer, which begins behind the header, is aligned as it is, and long
  // enough.
  return *reinterpret_cast<Bundle*>(carrier + 1);
}

}  // namespace

Result<std::unique_ptr<FramePool>> FramePool::create(std::size_t bytes) {
  const std::size_t small = bytes / 2 / stride(BufferClass::Small);
  const std::size_t large = bytes / 2 / stride(BufferClass::Large);
  if (large == 0) return Error{EINVAL, "", "the engine's memory must hold at least a few large frames"};

  std::unique_ptr<FramePool> pool(new FramePool);
  auto arena = Mapping::create(small * stride(BufferClass::Small) + (large + 1) * stride(BufferClass::Large));
  if (!arena) return arena.error();
  pool->arena_ = std::move(*arena);

  std::byte* largeAt = pool->carve(BufferClass::Small, pool->arena_.start(), small);
  pool->carve(BufferClass::Large, largeAt, large + 1);
  pool->scratch_ = pool->acquire(BufferClass::Large);
  pool->classOf(BufferClass::Large).size = large;
  return pool;
}

std::byte* FramePool::carve(BufferClass bufferClass, std::byte* at, std::size_t count) {
  Class& of = classOf(bufferClass);
  of.size = count;
  of.free = std::make_unique_for_overwrite<Frame*[]>(count);
  of.holdLimit = static_cast<std::uint32_t>(count - count / 4);
  of.fresh = at;
  of.end = at + count * stride(bufferClass);
  return of.end;
}

Frame* FramePool::fresh(BufferClass bufferClass) noexcept {
  Class& of = classOf(bufferClass);
  if (of.fresh == of.end) return nullptr;
  // SAFETY: the arena is page aligned and both strides are multiples of 64, so each Frame is aligned and
  // disjoint.
  auto* frame = new (of.fresh) Frame;
  frame->bufferClass = bufferClass;
  frame->pool = this;
  of.fresh += stride(bufferClass);
  return frame;
}

Frame* FramePool::acquire(BufferClass bufferClass) noexcept {
  Class& of = classOf(bufferClass);
  if (of.returned.load(std::memory_order_relaxed)) unbundle(of);
  Frame* frame = of.freeCount != 0 ? of.free[--of.freeCount] : fresh(bufferClass);
  if (!frame) return nullptr;
  assert(!Chain<Frame>::linked(*frame));
  frame->data = reinterpret_cast<std::uint8_t*>(frame) + sizeof(Frame) + headroom;
  std::memset(frame->data - virtioHeaderLength, 0, virtioHeaderLength);
  frame->length = 0;
  frame->hops = 0;
  frame->segment = 0;
  frame->offload = {};
  frame->references.store(1, std::memory_order_relaxed);
  return frame;
}

void FramePool::release(Frame* frame) noexcept {
  if (frame->references.load(std::memory_order_acquire) != 1 &&
      frame->references.fetch_sub(1, std::memory_order_acq_rel) != 1) {
    return;
  }
  assert(!Chain<Frame>::linked(*frame));
  if (frame->held.load(std::memory_order_relaxed)) unhold(*frame);
  if (frame->pool != this) return bundle(frame);
  Class& of = classOf(frame->bufferClass);
  of.free[of.freeCount++] = frame;
}

void FramePool::bundle(Frame* frame) noexcept {
  if (carrier_ && (carrier_->length == bundleSize || carrier_->pool != frame->pool ||
                   carrier_->bufferClass != frame->bufferClass))
    sendBack();
  if (!carrier_) {
    carrier_ = frame;
    frame->length = 0;
    return;
  }
  bundleOf(carrier_).frames[carrier_->length++] = frame;
}

void FramePool::sendBack() noexcept {
  Frame* carrier = std::exchange(carrier_, nullptr);
  if (!carrier) return;
  Class& of = carrier->pool->classOf(carrier->bufferClass);
  Frame*& before = bundleOf(carrier).before;
  before = of.returned.load(std::memory_order_relaxed);
  while (!of.returned.compare_exchange_weak(before, carrier, std::memory_order_release,
                                            std::memory_order_relaxed)) {
  }
}

// The headers were read elsewhere: they are asked for together here, not one by one when they are written.
void FramePool::unbundle(Class& of) noexcept {
  Frame* carrier = of.returned.exchange(nullptr, std::memory_order_acquire);
  while (carrier) {
    const Bundle& bundle = bundleOf(carrier);
    for (Frame* frame : std::span(bundle.frames).first(carrier->length)) {
      fetchToWrite(frame);
      of.free[of.freeCount++] = frame;
    }
    of.free[of.freeCount++] = carrier;
    carrier = bundle.before;
  }
}

std::size_t FramePool::unused(BufferClass bufferClass) noexcept {
  Class& of = classOf(bufferClass);
  if (of.returned.load(std::memory_order_relaxed)) unbundle(of);
  return of.freeCount + static_cast<std::size_t>(of.end - of.fresh) / stride(bufferClass);
}

Frame* FramePool::copyIn(std::span<const std::uint8_t> bytes) noexcept {
  Frame* frame = acquire(classFor(bytes.size()));
  if (!frame) return nullptr;
  std::memcpy(frame->data, bytes.data(), bytes.size());
  frame->length = static_cast<std::uint32_t>(bytes.size());
  return frame;
}

Frame* FramePool::copy(const Frame& frame) noexcept {
  Frame* copy = acquire(classFor(frame.length));
  if (!copy) return nullptr;
  // SAFETY: the virtio-net header stands directly before the bytes of every frame.
  std::memcpy(copy->data - virtioHeaderLength, frame.data - virtioHeaderLength,
              virtioHeaderLength + frame.length);
  copy->length = frame.length;
  copy->hops = frame.hops;
  copy->segment = frame.segment;
  copy->offload = frame.offload;
  copy->arrival = frame.arrival;
  copy->from = frame.from;
  copy->number = frame.number;
  return copy;
}

void FramePool::shrink(Frame*& frame, FramePool& own) noexcept {
  if (frame->bufferClass != BufferClass::Large || frame->length > smallCapacity) return;
  if (Frame* small = own.copy(*frame)) own.release(std::exchange(frame, small));
}

// Several workers may ask for one frame at a time: who sets the mark first has counted it.
bool FramePool::hold(Frame& frame) noexcept {
  if (frame.held.load(std::memory_order_relaxed)) return true;
  Class& of = frame.pool->classOf(frame.bufferClass);
  const bool refused = of.held.fetch_add(1, std::memory_order_relaxed) >= of.holdLimit;
  if (!refused && frame.references.load(std::memory_order_acquire) == 1) {
    frame.held.store(true, std::memory_order_relaxed);
  } else if (refused || frame.held.exchange(true, std::memory_order_relaxed)) {
    of.held.fetch_sub(1, std::memory_order_relaxed);
  }
  return !refused;
}

/// With the last reference.
void FramePool::unhold(Frame& frame) noexcept {
  frame.held.store(false, std::memory_order_relaxed);
  frame.pool->classOf(frame.bufferClass).held.fetch_sub(1, std::memory_order_relaxed);
}

std::size_t FramePool::unheld(const Frame& frame) noexcept {
  std::size_t held = 0;
  for (const Class& of : frame.pool->classes_) held += of.held.load(std::memory_order_relaxed);
  return frame.pool->size() - held;
}

std::size_t FramePool::outstanding() const noexcept {
  std::size_t free = 0;
  for (BufferClass bufferClass : {BufferClass::Small, BufferClass::Large}) {
    const Class& of = classes_[static_cast<std::size_t>(bufferClass)];
    free += static_cast<std::size_t>(of.end - of.fresh) / stride(bufferClass);
    free += of.freeCount;
    Frame* carrier = of.returned.load(std::memory_order_acquire);
    for (; carrier; carrier = bundleOf(carrier).before) free += 1 + carrier->length;
  }
  return size() - free;
}

}  // namespace etherloom
