// A list whose elements carry the link themselves, so that nothing is allocated for it: frames in an inbox,
// held frames on a line, ports that are ready. Used by one thread at a time.
//
// Theory of operation. The link of what is in no chain is null, and the last of a chain links to itself. So
// every element says whether it is in a chain, and what it said before it came in is never read. What goes
// into a chain while it is in one, or back to its pool, is a fault of whoever does it: builds with asserts
// (binding.gyp) end there.
#pragma once

#include <cassert>
#include <utility>

namespace etherloom {

template <typename T>
class Chain {
 public:
  /// The base of a T that can be in a Chain<T>, in one at a time.
  class Link {
    friend class Chain;
    T* next_ = nullptr;
  };

  Chain() = default;
  Chain(Chain&& other) noexcept
      : first_(std::exchange(other.first_, nullptr)), last_(std::exchange(other.last_, nullptr)) {}
  Chain& operator=(Chain&& other) noexcept {
    assert(empty());
    first_ = std::exchange(other.first_, nullptr);
    last_ = std::exchange(other.last_, nullptr);
    return *this;
  }

  /// Whether it is in some chain.
  [[nodiscard]] static bool linked(const T& element) noexcept { return nextOf(element) != nullptr; }

  [[nodiscard]] bool empty() const noexcept { return !first_; }
  /// nullptr if there is none; so the next.
  [[nodiscard]] T* front() const noexcept { return first_; }
  [[nodiscard]] T* back() const noexcept { return first_ ? last_ : nullptr; }

  void push(T& element) noexcept {
    assert(!linked(element));
    nextOf(element) = &element;
    if (first_) {
      nextOf(*last_) = &element;
    } else {
      first_ = &element;
    }
    last_ = &element;
  }
  void pushFront(T& element) noexcept {
    assert(!linked(element));
    nextOf(element) = first_ ? first_ : &element;
    if (!first_) last_ = &element;
    first_ = &element;
  }
  /// Takes out the first; nullptr if there is none.
  T* pop() noexcept {
    T* const element = first_;
    if (!element) return nullptr;
    T* const next = std::exchange(nextOf(*element), nullptr);
    first_ = next == element ? nullptr : next;
    return element;
  }
  /// Appends what is in the other, which is empty then.
  void splice(Chain& other) noexcept {
    if (other.empty()) return;
    if (empty()) {
      first_ = other.first_;
    } else {
      nextOf(*last_) = other.first_;
    }
    last_ = other.last_;
    other.first_ = nullptr;
  }
  /// Takes out every element for which `leaves` says so, first to last; it may do with it what it likes.
  /// False keeps it, in its place.
  template <typename Leaves>
  void removeIf(Leaves&& leaves) noexcept {
    Chain all(std::move(*this));
    while (T* element = all.pop()) {
      if (!leaves(*element)) push(*element);
    }
  }
  template <typename Each>
  void each(Each&& each) const {
    for (T* element = first_; element; element = element == last_ ? nullptr : nextOf(*element))
      each(*element);
  }

 private:
  [[nodiscard]] static T*& nextOf(T& element) noexcept { return static_cast<Link&>(element).next_; }
  [[nodiscard]] static T* nextOf(const T& element) noexcept {
    return static_cast<const Link&>(element).next_;
  }

  T* first_ = nullptr;
  T* last_ = nullptr;  // of a chain that is not empty
};

}  // namespace etherloom
