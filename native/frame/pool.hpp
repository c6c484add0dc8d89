// Where frames come from: a fixed arena per worker, two buffer classes, no allocation after creation.
// acquire() belongs to the owning worker; a reference may be released by any worker, through that worker's
// own pool.
//
// Theory of operation. Buffers never used before are taken by address, so that pages come with use; free
// frames are on a stack of their class, so that the warmest is used next. Frames whose last reference is
// dropped by another worker go home in bundles: one of them carries the addresses of the others in its
// buffer, and is put onto a lock-free stack, which the owner empties whole before it takes a frame (pop-all
// has no ABA problem). So only the first frame of a bundle costs an atomic read-modify-write and a wait for
// the other processor's cache; the headers of the rest are fetched side by side. A holder that finds itself
// the only one (references == 1) needs none to let go.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <span>

#include "frame/frame.hpp"
#include "os/error.hpp"
#include "os/memory.hpp"

namespace etherloom {

class FramePool {
 public:
  static constexpr std::size_t headroom = 64;
  static constexpr std::uint32_t smallCapacity = 2048 - sizeof(Frame) - headroom;  // 1,920
  static constexpr std::uint32_t largeCapacity = 68 * 1024;
  static constexpr std::uint32_t bundleSize = 63;  ///< frames that go home beside their carrier

  /// Divides `bytes` equally between the classes. Address space only: pages come with
  /// use.
  [[nodiscard]] static Result<std::unique_ptr<FramePool>> create(std::size_t bytes);
  FramePool(const FramePool&) = delete;
  FramePool& operator=(const FramePool&) = delete;

  /// A frame with one reference, length 0, no offload and a zero virtio-net header; nullptr when the class is
  /// used up. Owner only.
  [[nodiscard]] Frame* acquire(BufferClass bufferClass) noexcept;
  /// Drops one reference to a frame of any pool; `this` is the pool of the calling worker. Frames of other
  /// pools may wait for sendBack().
  void release(Frame* frame) noexcept;
  /// Returns to their pool the frames that wait for it. Before a worker may sleep.
  void sendBack() noexcept;
  /// A frame with these bytes, no more than a large buffer takes, in the smallest buffer that holds them;
  /// nullptr when used up. Owner only.
  [[nodiscard]] Frame* copyIn(std::span<const std::uint8_t> bytes) noexcept;
  /// A private copy of `frame` with its identity and its virtio-net header, in the smallest buffer that holds
  /// it; nullptr when used up. Owner only.
  [[nodiscard]] Frame* copy(const Frame& frame) noexcept;

  /// Moves a short frame out of a large buffer, of which there are few, if `own`, the caller's pool, has a
  /// small one.
  static void shrink(Frame*& frame, FramePool& own) noexcept;
  /// Asks to keep a frame beyond this turn. Refused when that would take the last quarter of its class. What
  /// counts is the buffer, once, however many keep it, and until its last reference goes.
  [[nodiscard]] static bool hold(Frame& frame) noexcept;
  /// Buffers of the frame's pool that nobody holds.
  [[nodiscard]] static std::size_t unheld(const Frame& frame) noexcept;

  [[nodiscard]] static constexpr std::uint32_t capacity(BufferClass bufferClass) {
    return bufferClass == BufferClass::Small ? smallCapacity : largeCapacity;
  }
  /// The smallest buffer for so many bytes.
  [[nodiscard]] static constexpr BufferClass classFor(std::size_t length) {
    return length <= smallCapacity ? BufferClass::Small : BufferClass::Large;
  }
  /// Buffers of the class that nobody has. Owner only.
  [[nodiscard]] std::size_t unused(BufferClass bufferClass) noexcept;
  /// Frames of both classes.
  [[nodiscard]] std::size_t size() const { return classes_[0].size + classes_[1].size; }
  /// Frames that are referenced now, or that another worker has yet to send back. Exact only when no other
  /// worker runs.
  [[nodiscard]] std::size_t outstanding() const noexcept;
  /// A frame to read unwanted bytes into. Never handed on.
  [[nodiscard]] Frame& scratch() { return *scratch_; }

 private:
  struct Class {
    std::unique_ptr<Frame*[]> free;  // the first `freeCount` of `size`
    std::size_t freeCount = 0;
    std::byte* fresh = nullptr;  // the first buffer that was never acquired
    std::byte* end = nullptr;
    std::size_t size = 0;
    std::atomic<std::uint32_t> held{0};
    std::uint32_t holdLimit = 0;
    alignas(64) std::atomic<Frame*> returned{
        nullptr};  // carriers; the length of each says how many it carries
  };

  FramePool() = default;
  [[nodiscard]] Class& classOf(BufferClass bufferClass) {
    return classes_[static_cast<std::size_t>(bufferClass)];
  }
  std::byte* carve(BufferClass bufferClass, std::byte* at, std::size_t count);
  [[nodiscard]] Frame* fresh(BufferClass bufferClass) noexcept;
  static void unhold(Frame& frame) noexcept;
  void bundle(Frame* frame) noexcept;
  static void unbundle(Class& of) noexcept;

  Class classes_[2];
  Frame* carrier_ = nullptr;  // of frames of another pool and one class, on their way back
  Frame* scratch_ = nullptr;
  Mapping arena_;
};

}  // namespace etherloom
