// Kinds that make themselves known: each is an object of static storage in a file of its own, and whoever
// needs one finds it by its name. The list is filled before main(), and the same from then on; any thread.
#pragma once

#include <algorithm>
#include <string_view>
#include <vector>

namespace etherloom {

/// The base of a kind T, which has a `name`.
template <typename T>
class Registered {
 public:
  Registered(const Registered&) = delete;
  Registered& operator=(const Registered&) = delete;

  [[nodiscard]] static const std::vector<const T*>& all() { return list(); }
  /// nullptr if there is none of this name.
  [[nodiscard]] static const T* find(std::string_view name) {
    const auto found = std::ranges::find(list(), name, &T::name);
    return found == list().end() ? nullptr : *found;
  }

 protected:
  Registered() { list().push_back(static_cast<const T*>(this)); }
  static std::vector<const T*>& list() {
    static std::vector<const T*> kinds;
    return kinds;
  }
};

}  // namespace etherloom
