#pragma once
/* The C library for Embedded Swift, for which the toolchain has no module, and what Swift cannot import of it: errno, functions
   with any number of arguments, macros with casts. */
#include <arpa/inet.h>
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <regex.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;
extern char *program_invocation_name;

static inline int cg_errno(void) { return errno; }
static inline void cg_set_errno(int value) { errno = value; }
static inline int cg_fcntl(int fd, int command, int value) { return fcntl(fd, command, value); }
static inline int cg_fcntl_pointer(int fd, int command, void *value) { return fcntl(fd, command, value); }
static inline __sighandler_t cg_ignore(void) { return SIG_IGN; }
static inline char **cg_environment(void) { return environ; }
/* argv[0]. */
static inline const char *cg_program(void) { return program_invocation_name; }
