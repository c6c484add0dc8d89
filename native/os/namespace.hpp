// Network namespaces, and how to do something in one without moving the calling thread into it (a Node thread
// must never move). Called at set-up, on any thread.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "os/error.hpp"
#include "os/fd.hpp"

namespace etherloom {

/// A descriptor of a network namespace; it keeps the namespace alive.
class NetworkNamespace {
 public:
  /// By path, or by the name that `ip netns` gave it (no slash: /run/netns/NAME).
  static Result<NetworkNamespace> open(const std::string& pathOrName);
  /// A fresh one without a name: it goes with its last descriptor, process and interface. Needs
  /// CAP_SYS_ADMIN.
  static Result<NetworkNamespace> create();
  /// The one the calling thread is in.
  static Result<NetworkNamespace> current();

  /// `name` is what error messages call it.
  NetworkNamespace(Fd fd, std::string name) : fd_(std::move(fd)), name_(std::move(name)) {}

  [[nodiscard]] int fd() const { return fd_.get(); }
  [[nodiscard]] const std::string& name() const { return name_; }

  /// Runs `work` on a short-lived thread inside the namespace and waits for its end. Needs CAP_SYS_ADMIN.
  Result<void> run(const std::function<void()>& work) const;

 private:
  Fd fd_;
  std::string name_;
};

/// Runs `work`, which returns a Result, inside `networkNamespace`; a null pointer means here, on the calling
/// thread.
template <typename Work>
std::invoke_result_t<Work> runIn(const NetworkNamespace* networkNamespace, Work work) {
  if (!networkNamespace) return work();
  std::optional<std::invoke_result_t<Work>> result;
  const Result<void> ran = networkNamespace->run([&] { result.emplace(work()); });
  if (!ran) return ran.error();
  return std::move(*result);
}

}  // namespace etherloom
