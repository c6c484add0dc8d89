// A list whose members carry the link themselves, so that nothing is allocated for it: frames in an inbox,
// held frames on a line, ports that are ready. Used by one thread at a time.
//
// Theory of operation. The link of what is in no chain is null, and the last of a chain links to itself. So
// every member says whether it is in a chain, and what it said before it came in is never read. What goes
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
  [[nodiscard]] static bool linked(const T& member) noexcept { return nextOf(member) != nullptr; }

  [[nodiscard]] bool empty() const noexcept { return !first_; }
  /// nullptr if there is none; so the next.
  [[nodiscard]] T* front() const noexcept { return first_; }
  [[nodiscard]] T* back() const noexcept { return first_ ? last_ : nullptr; }

  void push(T& member) noexcept {
    assert(!linked(member));
    nextOf(member) = &member;
    if (first_) {
      nextOf(*last_) = &member;
    } else {
      first_ = &member;
    }
    last_ = &member;
  }
  void pushFront(T& member) noexcept {
    assert(!linked(member));
    nextOf(member) = first_ ? first_ : &member;
    if (!first_) last_ = &member;
    first_ = &member;
  }
  /// Takes out the first; nullptr if there is none.
  T* pop() noexcept {
    T* const member = first_;
    if (!member) return nullptr;
    T* const next = std::exchange(nextOf(*member), nullptr);
    first_ = next == member ? nullptr : next;
    return member;
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
  /// Takes out every member for which `leaves` says so, first to last; it may do with it what it likes. False
  /// keeps it, in its place.
  template <typename Leaves>
  void removeIf(Leaves&& leaves) noexcept {
    Chain all(std::move(*this));
    while (T* member = all.pop()) {
      if (!leaves(*member)) push(*member);
    }
  }
  template <typename Each>
  void each(Each&& each) const {
    for (T* member = first_; member; member = member == last_ ? nullptr : nextOf(*member)) each(*member);
  }

 private:
  [[nodiscard]] static T*& nextOf(T& member) noexcept { return static_cast<Link&>(member).next_; }
  [[nodiscard]] static T* nextOf(const T& member) noexcept { return static_cast<const Link&>(member).next_; }

  T* first_ = nullptr;
  T* last_ = nullptr;  // of a chain that is not empty
};

}  // namespace etherloom
