// What set-up returns: a value, or the system call that failed and why.
// Called everywhere outside the frame path, on any thread. The frame path uses enums and counters instead.
#pragma once

#include <cassert>
#include <cerrno>
#include <new>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <variant>

namespace etherloom {

/// A failed system call (or a refusal of our own with its errno), in the words that reach the user.
struct Error {
  int number = 0;       ///< errno; 0 when no system call was involved
  std::string call;     ///< the call that failed ("ioctl TUNSETIFF"); empty for a refusal of our own
  std::string message;  ///< what could not be done, in one clause, with the name of the thing

  [[nodiscard]] static Error last(std::string call, std::string message) {
    return {errno, std::move(call), std::move(message)};
  }
};

/// The words for a missing capability and the ways out, as the end of a message; where the kernel says EPERM.
[[nodiscard]] std::string needsCapability(const std::string& capability);

/// A T or an Error. Never ignored: the compiler insists.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : content_(std::move(value)) {}
  Result(Error error) : content_(std::move(error)) {}

  explicit operator bool() const { return content_.index() == 0; }
  T& operator*() & { return std::get<0>(content_); }
  const T& operator*() const& { return std::get<0>(content_); }
  T&& operator*() && { return std::get<0>(std::move(content_)); }
  T* operator->() { return &std::get<0>(content_); }
  const T* operator->() const { return &std::get<0>(content_); }
  [[nodiscard]] const Error& error() const { return std::get<1>(content_); }

 private:
  std::variant<T, Error> content_;
};

/// Success without a value, or an Error.
template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}

  explicit operator bool() const { return !error_; }
  [[nodiscard]] const Error& error() const { return *error_; }

 private:
  std::optional<Error> error_;
};

/// What `make` returns, a Result. Where memory or threads are used up, which only the standard library meets,
/// an Error with that message instead. For what leaves nothing half made when it throws.
template <typename Make>
auto unlessShort(const std::string& message, Make make) -> decltype(make()) {
  try {
    return make();
  } catch (const std::bad_alloc&) {
    return Error{ENOMEM, "", message};
  } catch (const std::system_error& error) {
    return Error{error.code().value(), "pthread_create", message};
  }
}

}  // namespace etherloom
