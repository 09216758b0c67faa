/* Linked into the static executables only. */
#include "CExit.h"
#include "CLinux.h"
#include <netdb.h>
#include <stdlib.h>

static int wanted_library;

int cl_can_load_libraries(void) { return 0; }
int cl_wanted_library(void) { return wanted_library; }

/* libc's own would load the C library a second time. */
void *dlopen(const char *file, int mode) {
  (void)file, (void)mode;
  wanted_library = 1;
  return NULL;
}

char *dlerror(void) { return "a static executable loads no libraries"; }

void *dlsym(void *handle, const char *name) {
  (void)handle, (void)name;
  return NULL;
}

/* Only for functions of a loaded library. */
void *ce_create_catching_exit(void *(*function)(uint32_t), uint32_t number, struct ce_exit *caught) {
  (void)function, (void)number, (void)caught;
  abort();
}

int ce_run_catching_exit(int (*function)(void *, const char *), void *context, const char *text, struct ce_exit *caught) {
  (void)function, (void)context, (void)text, (void)caught;
  abort();
}

/* Of functions of libnl that no plugin calls; libc's own load libraries. */
int getaddrinfo(const char *host, const char *service, const struct addrinfo *wanted, struct addrinfo **found) {
  (void)host, (void)service, (void)wanted, (void)found;
  return EAI_NONAME;
}

void freeaddrinfo(struct addrinfo *addresses) { (void)addresses; }
struct protoent *getprotobyname(const char *name) { return (void)name, NULL; }
struct protoent *getprotobynumber(int number) { return (void)number, NULL; }
