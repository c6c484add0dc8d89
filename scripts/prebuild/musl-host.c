// Stands in for a Node that is linked to musl, which npm has none of: loads the addon, lets it register
// itself, and prints the names that it gives to JavaScript. Compiled by scripts/prebuilt-smoke.mjs, which
// puts the list of Node-API functions into STUBS: ONE(name) for each that the addon looks up.
#include <dlfcn.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define SHOWN __attribute__((visibility("default")))

// Any of them succeeds, and leaves its result as it was.
#define ONE(name) \
  SHOWN int name(void) { return 0; }
STUBS
#undef ONE

static int anObject;

SHOWN int napi_is_exception_pending(void* environment, bool* result) {
  (void)environment;
  *result = false;
  return 0;
}

SHOWN int napi_set_named_property(void* environment, void* object, const char* name, void* value) {
  (void)environment;
  (void)value;
  if (object == &anObject) puts(name);
  return 0;
}

int main(int count, char** arguments) {
  void* addon = count == 2 ? dlopen(arguments[1], RTLD_NOW | RTLD_LOCAL) : NULL;
  if (!addon) {
    fprintf(stderr, "%s\n", count == 2 ? dlerror() : "usage: musl-host ADDON");
    return 1;
  }
  void* (*start)(void*, void*);
  void* found = dlsym(addon, "napi_register_module_v1");
  memcpy(&start, &found, sizeof start);
  return start && start(&anObject, &anObject) ? 0 : 1;
}
