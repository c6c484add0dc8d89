// The order of 1 to 5: receive, decide, pass or drop, impair, transmit. Stateless but for its scratch memory;
// one per worker, on that worker's thread.
#pragma once

#include <array>
#include <vector>

#include "frame/batch.hpp"
#include "pipeline/burst_vlans.hpp"
#include "pipeline/fabric_version.hpp"

namespace etherloom {

/// One copy of a frame on its way to a to-port, judged by one version. Owns one reference.
struct Crossing {
  Frame* frame;
  Attachment* to;
  const RowEntry* entry;  ///< what judged it; nullptr for a pair without a policy
  PathAccount* account;
};

/// Where the pipeline's results go: the worker.
class PipelineSink {
 public:
  /// Takes the copies of one burst for one to-port, and counts them as handed over or lost in `offer`.
  virtual void handOver(std::span<const Crossing> crossings, PathOffer& offer) noexcept = 0;
  virtual void learned(EngineFabric& fabric, std::span<const Learned> entries) noexcept = 0;
  /// The port has begun to send more of this than its guard lets through.
  virtual void stormBegins(const Attachment& from, Traffic traffic, Instant at) noexcept = 0;

 protected:
  ~PipelineSink() = default;
};

class Pipeline {
 public:
  /// `worker` is the number of the worker that calls it.
  explicit Pipeline(PipelineSink& sink, std::uint16_t worker = 0) : sink_(sink), worker_(worker) {}

  /// Leaves as many frames in the burst as a turn takes of a port (burstWireFrames), but at least one; the
  /// rest is postponed.
  void confine(Inlet& from, RxBurst& burst) noexcept;
  /// Judges a burst that came in on `from` and hands its copies over. Takes the burst's references.
  void pass(Inlet& from, RxBurst& burst) noexcept;
  /// Makes room for a burst that goes to this many ports, to each possibly both as it came and retagged. To
  /// be called before a version with so many ports is published.
  void reserve(std::size_t ports) { targets_.reserve(2 * (ports + burstSize)); }

 private:
  struct Target {
    Attachment* to;
    const RowEntry* entry;  ///< nullptr for a pair without a policy
    PathAccount* account;
    PathOffer* offer;      ///< the receiving inlet's
    Frame* const* frames;  ///< those of the burst: as they came, or retagged
    FrameMask mask;        ///< of frames that go there as they are
    FrameMask cut;         ///< of super-frames whose segments its filter judges one by one
  };
  /// A burst on its way from verdicts to targets.
  struct Gathering {
    Inlet& inlet;
    const FabricVersion& version;
    const RxBurst& burst;
    const Row& row;         ///< of the inlet's port
    FrameMask reached = 0;  ///< those that go somewhere
  };

  /// For each frame of a burst, how many copies it will become.
  using Copies = std::array<std::uint32_t, burstSize>;

  [[nodiscard]] Copies copiesOf(const Attachment& from, const FabricVersion& version, const Row& row,
                                std::span<Frame* const> frames, Instant at) noexcept;
  void screen(Inlet& from, RxBurst& burst) noexcept;
  [[nodiscard]] FrameMask gather(Inlet& inlet, const FabricVersion& version, const RxBurst& burst,
                                 std::span<const Verdict> verdicts) noexcept;
  [[nodiscard]] FrameMask stormOf(Inlet& from, StormGuard& guard, const RxBurst& burst,
                                  FrameMask flooded) noexcept;
  void flood(Gathering& gathering, FrameMask frames) noexcept;
  void sendDirect(Gathering& gathering, FrameMask frames, std::span<const Verdict> verdicts) noexcept;
  void add(Gathering& gathering, Attachment* to, const RowEntry* entry, FrameMask frames) noexcept;
  void put(Gathering& gathering, Attachment* to, const RowEntry* entry, Frame* const* frames,
           FrameMask mask) noexcept;
  void retag(const RxBurst& burst) noexcept;
  [[nodiscard]] bool isRetagged(const Target& target) const { return target.frames == vlans_.retagged(); }
  void filter(const RxBurst& burst) noexcept;
  void share(FramePool& pool, Frame* const* frames, FrameMask mask) noexcept;
  void fanOut(RxBurst& burst) noexcept;
  void handOverCut(const RxBurst& burst, const Target& target) noexcept;

  PipelineSink& sink_;
  const std::uint16_t worker_;
  std::vector<Target> targets_;
  // What confine() leaves to pass(): the version that it asked, the verdicts of the fabric, and how many
  // frames of the burst have one.
  const FabricVersion* version_ = nullptr;
  std::array<Verdict, burstSize> verdicts_;
  LearnLog log_;
  unsigned judged_ = 0;
  BurstVlans vlans_;  // where the fabric has any
};

}  // namespace etherloom
