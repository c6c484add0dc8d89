// The receive ring of a packet socket: memory that the kernel fills with frames and this process reads
// without a system call (TPACKET_V2, packet_mmap in the kernel's documentation). Set up with its socket, on
// any thread; then used by a port, on its worker.
//
// Theory of operation. Slots of one size are filled in turn; a word in each says whose it is, and whoever has
// written the place hands it over by writing that word last. A frame is therefore visible as soon as it is
// there, which is why this is version 2: version 3 packs frames into blocks, and shows none of a block before
// it is full or a timer of at least a millisecond has run out. A frame that is longer than a place is cut
// there and marked TP_STATUS_COPY, and comes whole, in the same order, out of recvmsg() on the socket. So
// places can be as small as a wire frame, and super-frames come all the same.
#pragma once

#include <linux/if_packet.h>

#include <cstdint>

#include "os/error.hpp"
#include "os/fd.hpp"
#include "os/memory.hpp"

namespace etherloom {

class PacketRing {
 public:
  static constexpr std::uint32_t placeSize = 2048;
  /// The kernel allocates so many places at a time; their number must be a multiple of it.
  static constexpr std::uint32_t placesPerBlock = 32;

  /// Makes the ring of a socket that is not bound yet. EINVAL or ENOPROTOOPT where the kernel has none,
  /// ENOMEM where it lacks places * placeSize bytes, which stay in memory as long as ring or socket.
  [[nodiscard]] static Result<PacketRing> create(const Fd& socket, std::uint32_t places);

  /// The oldest place that the kernel has filled and that was not popped; nullptr if there is none.
  [[nodiscard]] const tpacket2_hdr* front() const noexcept {
    const tpacket2_hdr* place = at(next_);
    return __atomic_load_n(&place->tp_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER ? place : nullptr;
  }
  /// Gives the front place back to the kernel.
  void pop() noexcept {
    __atomic_store_n(&at(next_)->tp_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
    if (++next_ == places_) next_ = 0;
  }

 private:
  PacketRing(Mapping memory, std::uint32_t places) : memory_(std::move(memory)), places_(places) {}
  [[nodiscard]] tpacket2_hdr* at(std::uint32_t place) const noexcept {
    // SAFETY: the kernel lays a header at the start of each place; places stand one after the other.
    return reinterpret_cast<tpacket2_hdr*>(memory_.start() + std::size_t{place} * placeSize);
  }

  Mapping memory_;
  std::uint32_t places_;
  std::uint32_t next_ = 0;
};

}  // namespace etherloom
