// What any device may hand in: a virtio-net header and a frame, both arbitrary bytes. Nothing of it may make
// the checks or the segmenter read or write where they should not, and what is accepted must keep its
// promises. offload_test.cpp calls it with frames of a fixed seed, too.
#include <algorithm>
#include <cstring>
#include <memory>
#include <vector>

#include "frame/checksum.hpp"
#include "frame/offload.hpp"
#include "frame/segmentation.hpp"
#include "target.hpp"

using namespace etherloom;
using namespace etherloom::fuzz;

namespace {

std::vector<std::uint8_t> bytesOf(const Frame& frame) { return {frame.data, frame.data + frame.length}; }

/// The header before the frame says what its offload says.
void requireHeader(const Frame& frame) {
  VirtioHeader header;
  std::memcpy(&header, frame.data - virtioHeaderLength, sizeof header);
  const Offload& offload = frame.offload;
  require(header.flags == offload.flags && header.gsoType == offload.gsoType &&
          header.headerLength == offload.headerLength && header.gsoSize == offload.gsoSize &&
          header.csumStart == offload.csumStart && header.csumOffset == offload.csumOffset);
}

/// Every segment by itself is the same as out of a train of `count`, and all of them are what was announced.
void cut(FramePool& pool, const Frame& superFrame, std::uint32_t count) {
  Segmenter whole, part;
  require(whole.start(superFrame));
  require(whole.segments() == superFrame.offload.segments && whole.segments() > 1);
  std::uint32_t bytes = 0;
  for (std::uint32_t first = 0; first < whole.segments(); first += count) {
    const std::uint32_t length = std::min(count, whole.segments() - first);
    Frame* train = whole.cut(pool, first, length);
    require(train && train->offload.segments == length);
    requireHeader(*train);
    require(isSuperFrame(*train) == (length > 1));
    if (length > 1) require(part.start(*train) && part.segments() == length);
    for (std::uint32_t index = 0; index < length; ++index) {
      Frame* wire = whole.cut(pool, first + index, 1);
      require(wire && isPlain(*wire) && wire->length <= wireLength(superFrame));
      require(wire->length == whole.lengthOf(first + index));
      requireHeader(*wire);
      Frame* again = length > 1 ? part.next(pool) : pool.copy(*train);
      require(again && bytesOf(*again) == bytesOf(*wire));
      bytes += wire->length;
      pool.release(again);
      pool.release(wire);
    }
    pool.release(train);
  }
  require(bytes == wireBytes(superFrame));
}

void run(std::span<const std::uint8_t> input) {
  static const std::unique_ptr<FramePool> pool = *FramePool::create(1 << 20);
  VirtioHeader claims;
  if (input.size() < sizeof claims + ethernetHeaderLength || input.size() > FramePool::largeCapacity) return;
  std::memcpy(&claims, input.data(), sizeof claims);
  const std::vector<std::uint8_t> content = exactly(input.subspan(sizeof claims));

  std::vector<std::uint8_t> memory(virtioHeaderLength);
  memory.insert(memory.end(), content.begin(), content.end());
  memory.shrink_to_fit();
  Frame frame;
  frame.data = memory.data() + virtioHeaderLength;
  frame.length = static_cast<std::uint32_t>(content.size());

  if (!acceptOffload(frame, claims)) {
    require(isPlain(frame) && bytesOf(frame) == content);
    return;
  }
  requireHeader(frame);
  require(wireLength(frame) <= frame.length && wireBytes(frame) >= frame.length);
  require(takes(Offloads::All, frame) && takes(Offloads::None, frame) == isPlain(frame));
  if (isSuperFrame(frame)) {
    cut(*pool, frame, 2 + claims.headerLength % 7U);
  } else {
    require(completeChecksum(frame) && isPlain(frame));
    requireHeader(frame);
  }
  require(pool->outstanding() == 0);
}

const Target target("segmentation", run);

}  // namespace
