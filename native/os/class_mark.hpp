// Marks of classes, for the few places that ask of which class an object is. C++'s own type information is
// not compiled in: names of types, and a pointer to them in each table of virtual functions, were a fifteenth
// of the addon. Any thread.
#pragma once

namespace etherloom {

using ClassMark = const char*;

/// The same wherever it is asked for a class, and another for each.
template <typename Class>
[[nodiscard]] ClassMark markOf() noexcept {
  static char mark;  // not const: a linker may make one of constants that are equal
  return &mark;
}

}  // namespace etherloom
