// What the kernel knows of a file. Used at set-up, on any thread.
#pragma once

#include <cstdint>
#include <optional>

namespace etherloom {

struct FileStatus {
  unsigned rights = 0;  ///< the lower 12 bits of its mode
  unsigned owner = 0;
  bool isSocket = false;
  std::uint64_t inode = 0;
  std::uint32_t deviceMajor = 0;
  std::uint32_t deviceMinor = 0;

  [[nodiscard]] bool isSameFile(const FileStatus& other) const {
    return inode == other.inode && deviceMajor == other.deviceMajor && deviceMinor == other.deviceMinor;
  }
};

/// Of what the path leads to. Nothing, and errno, where the kernel does not tell.
[[nodiscard]] std::optional<FileStatus> statusOf(const char* path);
/// Of the path itself, which may be a symbolic link.
[[nodiscard]] std::optional<FileStatus> statusOfLink(const char* path);
[[nodiscard]] std::optional<FileStatus> statusOf(int descriptor);

}  // namespace etherloom
