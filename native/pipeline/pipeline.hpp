// The order of 1 to 5: receive, decide, pass or drop, impair, transmit. Stateless but for its scratch memory;
// one per worker, on that worker's thread.
//
// Theory of operation of VLANs. In a fabric with VLANs a burst is first classified: each frame belongs to the
// VLAN of its tag, or to that which its port has untagged. Frames stay as they came, and a port that has
// their VLAN the other way, tagged instead of untagged or the reverse, gets them retagged: in place if
// everybody does, else in one copy that all such ports share. So between access ports no byte is moved, and a
// flood costs one copy at most. A path sees its frames as they leave its to-port. A target is one to-port and
// one of the two sets of frames.
#pragma once

#include <vector>

#include "frame/batch.hpp"
#include "pipeline/topology.hpp"

namespace etherloom {

/// One copy of a frame on its way to a to-port, judged by one version. Owns one reference.
struct Crossing {
  Frame* frame;
  Attachment* to;
  Path* path;            ///< nullptr for a pair without a policy
  const Policy* policy;  ///< the one it was judged by; nullptr likewise
  PathAccount* account;
};

/// Where the pipeline's results go: the worker.
class PipelineSink {
 public:
  /// Takes the copies of one burst for one to-port, and counts them as handed over or lost in `offer`.
  virtual void handOver(std::span<const Crossing> crossings, PathOffer& offer) noexcept = 0;
  virtual void learned(FabricSeat& fabric, std::span<const Learned> entries) noexcept = 0;

 protected:
  ~PipelineSink() = default;
};

class Pipeline {
 public:
  /// `worker` is the number of the worker that calls it.
  explicit Pipeline(PipelineSink& sink, std::uint16_t worker = 0) : sink_(sink), worker_(worker) {}

  /// Judges a burst that came in on `from` and hands its copies over. Takes the burst's references.
  void pass(PortQueue& from, RxBurst& burst) noexcept;
  /// Room for a burst that goes to this many ports, to each perhaps with tags and without. Before a topology
  /// with that many is published.
  void reserve(std::size_t ports) { targets_.reserve(2 * (ports + burstSize)); }

 private:
  struct Target {
    Attachment* to;
    Path* path;
    const Policy* policy;
    PathAccount* account;
    PathOffer* offer;      ///< the receiving queue's
    Frame* const* frames;  ///< those of the burst: as they came, or retagged
    FrameMask mask;        ///< of frames that go there as they are
    FrameMask cut;         ///< of super-frames whose segments its filter judges one by one
  };
  /// The VLANs of a burst, where the fabric has any.
  struct BurstVlans {
    struct Part {
      std::uint16_t vlan;
      FrameMask mask;
    };
    std::array<std::uint16_t, burstSize> ofFrame;
    std::array<Part, burstSize> parts;
    unsigned count;    ///< of parts
    FrameMask tagged;  ///< of frames that have a tag as they came
  };

  void screen(PortQueue& from, RxBurst& burst) noexcept;
  void classify(PortQueue& from, RxBurst& burst) noexcept;
  [[nodiscard]] FrameMask gather(PortQueue& queue, const FabricVersion& version, const RxBurst& burst,
                                 std::span<const Verdict> verdicts) noexcept;
  void retag(const RxBurst& burst) noexcept;
  [[nodiscard]] bool isRetagged(const Target& target) const { return target.frames == retagged_.data(); }
  void filter(const RxBurst& burst) noexcept;
  void share(FramePool& pool, Frame* const* frames, FrameMask mask) noexcept;
  void fanOut(RxBurst& burst) noexcept;
  void handOverCut(const RxBurst& burst, const Target& target) noexcept;

  void recordRefused(const Target& target, const Frame& frame, Instant at) const noexcept;

  PipelineSink& sink_;
  const std::uint16_t worker_;
  std::vector<Target> targets_;
  // Where the fabric has VLANs:
  BurstVlans vlans_;
  std::array<Frame*, burstSize>
      retagged_;           // frames with their tag put in or taken out, where anybody gets those
  FrameMask changed_ = 0;  // which those are
  FrameMask moved_ = 0;    // which of them are the burst's own frames, changed in place
};

}  // namespace etherloom
