#define _GNU_SOURCE
#include "CExit.h"

#include <dlfcn.h>
#include <errno.h>
#include <setjmp.h>
#include <stdlib.h>
#include <unistd.h>

struct catching {
  jmp_buf place;
  struct ce_exit *caught;
};

/* Of the call that this thread is in. */
static _Thread_local struct catching *current;

/* Takes the place of libc's for every shared library: the linker exports a symbol that a shared library defines too.
   libnftables calls it where it gets no memory or no socket, in the middle of a plugin's work. */
__attribute__((noreturn, visibility("default"))) void exit(int status) {
  struct catching *catching = current;
  if (catching) {
    current = NULL;
    *catching->caught = (struct ce_exit){.called = 1, .status = status, .error = errno};
    longjmp(catching->place, 1);
  }
  void (*libc_exit)(int) = (void (*)(int))dlsym(RTLD_NEXT, "exit");
  if (libc_exit) libc_exit(status);
  _exit(status);
}

void *ce_create_catching_exit(void *(*function)(uint32_t), uint32_t number, struct ce_exit *caught) {
  struct catching catching = {.caught = caught};
  *caught = (struct ce_exit){0};
  if (_setjmp(catching.place)) return NULL;
  current = &catching;
  void *result = function(number);
  current = NULL;
  return result;
}

int ce_run_catching_exit(int (*function)(void *, const char *), void *object, const char *text, struct ce_exit *caught) {
  struct catching catching = {.caught = caught};
  *caught = (struct ce_exit){0};
  if (_setjmp(catching.place)) return -1;
  current = &catching;
  int result = function(object, text);
  current = NULL;
  return result;
}
