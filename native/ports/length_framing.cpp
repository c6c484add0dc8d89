// The framing of QEMU's `-netdev stream`, passt and socket_vmnet, and of trunks between two of us: each frame
// stands behind its length, four bytes, big-endian.
#include "ports/stream_framing.hpp"

namespace etherloom {
namespace {

const StreamFraming length("stream", 4, streamFrameLimit, readBig32, writeBig32);

}  // namespace
}  // namespace etherloom
