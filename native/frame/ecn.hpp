// Explicit congestion notification (RFC 3168): whether the sender of a frame would rather have it marked than
// dropped, and the mark. Called by queue disciplines and by losses, on the frame's worker.
#pragma once

#include "frame/frame.hpp"

namespace etherloom {

/// True if the frame carries IPv4 or IPv6, under any number of VLAN tags, and the two ECN bits are not zero:
/// ECT(0), ECT(1), or already CE. Every fragment has the bits of its own. A frame that ends within its IP
/// header is not capable.
[[nodiscard]] bool isEcnCapable(const Frame& frame) noexcept;

/// Sets CE, congestion experienced, if the frame is capable, and tells whether it was. The IPv4 header
/// checksum follows (RFC 1624): what was right stays right, what was wrong stays wrong. The frame must be the
/// caller's alone. All segments of a super-frame are marked by the one header that they share.
bool markCongestion(Frame& frame) noexcept;

}  // namespace etherloom
