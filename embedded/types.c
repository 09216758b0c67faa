/* What code compiled for one C library relies on in another one. scripts/build-plugins compares the values of both. */
#define _GNU_SOURCE
#include <dirent.h>
#include <fnmatch.h>
#include <regex.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>

const size_t values[] = {
    sizeof(struct stat), offsetof(struct stat, st_mode), offsetof(struct stat, st_size), offsetof(struct stat, st_mtim),
    sizeof(struct statfs), offsetof(struct statfs, f_type),
    offsetof(struct dirent, d_type), offsetof(struct dirent, d_name),
    sizeof(struct sigaction), offsetof(struct sigaction, sa_mask), offsetof(struct sigaction, sa_flags),
    sizeof(sigset_t), sizeof(struct sigevent), offsetof(struct sigevent, sigev_notify), sizeof(timer_t), sizeof(struct itimerspec),
    sizeof(struct msghdr), offsetof(struct msghdr, msg_iov), offsetof(struct msghdr, msg_control), sizeof(struct cmsghdr),
    sizeof(posix_spawnattr_t), sizeof(posix_spawn_file_actions_t), POSIX_SPAWN_SETSIGDEF, POSIX_SPAWN_SETSIGMASK,
    sizeof(regex_t), REG_EXTENDED, REG_NOSUB, REG_NOMATCH,
    sizeof(jmp_buf),
};
