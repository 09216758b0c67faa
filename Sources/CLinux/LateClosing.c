#define _GNU_SOURCE
#include "CLinux.h"
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { MOST_KEPT = 128, LAST_OPENED = 1023 };

static int is_keeping, has_deleted;
/* In ascending order. */
static int kept[MOST_KEPT];
static int kept_count;

/* The child's stack; there is one child in a process. */
static char stack[16384] __attribute__((aligned(16)));

static void close_from_to(unsigned first, unsigned last) {
  if (first > last || syscall(SYS_close_range, first, last, 0) == 0) return;
  for (unsigned fd = first; fd <= last && fd <= LAST_OPENED; fd++) syscall(SYS_close, fd);
}

/* Runs in the parent's memory while the parent ends, so it makes only system calls. */
static int hold_kept(void *unused) {
  (void)unused;
  unsigned next = 0;
  for (int i = 0; i < kept_count; i++) {
    close_from_to(next, (unsigned)kept[i] - 1);
    next = (unsigned)kept[i] + 1;
  }
  close_from_to(next, ~0U);
  syscall(SYS_chdir, "/");
  /* Longer than the kernel usually takes. A close before that would also hold up other processes' changes. */
  const struct timespec pause = {.tv_nsec = 100000000};
  syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &pause, NULL);
  return 0;
}

static void leave_to_child(void) {
  if (!has_deleted || kept_count == 0) return;
  sigset_t all, before;
  sigfillset(&all);
  /* A handler must not run in the child. */
  sigprocmask(SIG_BLOCK, &all, &before);
  /* Without a child, the end of the process waits. */
  (void)clone(hold_kept, stack + sizeof stack, CLONE_VM | SIGCHLD, NULL);
  sigprocmask(SIG_SETMASK, &before, NULL);
}

void cl_close_late(void) {
  if (!is_keeping) is_keeping = atexit(leave_to_child) == 0;
}

void cl_keep_until_exit(int fd) {
  if (!is_keeping || kept_count == MOST_KEPT) return;
  /* Not one of the standard streams, which may be closed. */
  int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
  if (copy < 0) return;
  int place = kept_count++;
  for (; place > 0 && kept[place - 1] > copy; place--) kept[place] = kept[place - 1];
  kept[place] = copy;
}

void cl_note_deletion(void) { has_deleted = 1; }
