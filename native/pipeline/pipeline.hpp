// The order of 1 to 5: receive, decide, pass or drop, impair, transmit. Stateless but for its scratch memory;
// one per worker, on that worker's thread.
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
  /// Room for a flood to this many ports. Before a topology with that many is published.
  void reserve(std::size_t ports) { targets_.reserve(ports); }

 private:
  struct Target {
    Attachment* to;
    Path* path;
    const Policy* policy;
    PathAccount* account;
    PathOffer* offer;  ///< the receiving queue's
    FrameMask mask;    ///< of frames that go there as they are
    FrameMask cut;     ///< of super-frames whose segments its filter judges one by one
  };

  void screen(PortQueue& from, RxBurst& burst) noexcept;
  [[nodiscard]] FrameMask gather(PortQueue& queue, const FabricVersion& version, const RxBurst& burst,
                                 std::span<const Verdict> verdicts) noexcept;
  void filter(const RxBurst& burst) noexcept;
  void fanOut(RxBurst& burst) noexcept;
  void handOverCut(const RxBurst& burst, const Target& target) noexcept;

  void recordRefused(const Target& target, const Frame& frame, Instant at) const noexcept;

  PipelineSink& sink_;
  const std::uint16_t worker_;
  std::vector<Target> targets_;
};

}  // namespace etherloom
