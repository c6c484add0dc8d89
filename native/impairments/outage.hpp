// A path that is dead at times, by the clock. Made through its kind, and directly by tests.
//
// Theory of operation. When a frame arrived decides, not when others did. Periodic outages need no memory:
// the arrival's place in its period tells. Random ones are a Markov chain in continuous time, up for 1/a and
// down for 1/b on average. Looked at only when frames arrive, it is a chain again: t after it was found down
// it is down with probability d + (1 - d) e^(-(a+b) t), after it was found up with d (1 - e^(-(a+b) t)),
// where d is the share of time that it is down. So one draw tells the state after any time, however long
// nothing came.
#pragma once

#include <memory>

#include "impairments/impairment.hpp"

namespace etherloom {

/// Dead from offset + k · every for `down`, for every whole k. `every` is above 0, `down` at most `every`,
/// `offset` in [0, every).
[[nodiscard]] std::unique_ptr<const Impairment> makeOutage(Duration every, Duration down, Duration offset);

/// Dead for `down` on average, then up for every - down on average; both times are exponential. At the first
/// frame it is down with probability down / every.
[[nodiscard]] std::unique_ptr<const Impairment> makeRandomOutage(Duration every, Duration down);

}  // namespace etherloom
