#pragma once
/* What Swift's Glibc overlay hides (needs _GNU_SOURCE) and what C has only as macros or variadic functions.
   Every function that can fail returns -1 and sets errno. */
#include <stdint.h>
#include <sys/types.h>

int cl_setns_net(int fd);
int cl_unshare_net(void);
/* NETLINK_EXT_ACK, NETLINK_CAP_ACK and NETLINK_GET_STRICT_CHK on a netlink socket. */
int cl_netlink_options(int fd);
/* 1 where fd is a network namespace, 0 where it is something else. */
int cl_is_net_namespace(int fd);
/* The number of this thread's network namespace, which no other one has until the next boot: Linux 5.14. */
int cl_namespace_cookie(uint64_t *cookie);
/* SIGCHLD as usual where it is ignored: waitpid(2) knows no status then. */
int cl_keep_child_status(void);
/* flock(2) that gives up after so many seconds: EWOULDBLOCK. Waits in the kernel's queue, in the order of arrival, whatever
   signals are blocked. */
int cl_flock_within(int fd, int operation, int seconds);
int cl_open(const char *path, int flags, mode_t mode);
/* A nameless file in that directory, to be linked into it later; write-only. */
int cl_open_unnamed(const char *directory, mode_t mode);
/* Gives a file a name; EEXIST where the name is taken. */
int cl_link_unnamed(int fd, const char *path);
/* rename(2) to a name that nothing has; EEXIST where something has it. */
int cl_rename_to_new(const char *from, const char *to);
/* memmem(3): the offset of part, -1 where it is not there. */
ssize_t cl_find(const void *bytes, size_t size, const void *part, size_t length);
/* Both ends closed on exec. */
int cl_pipe(int ends[2]);
ssize_t cl_get_attribute(const char *path, const char *name, void *value, size_t size);
int cl_set_attribute(int fd, const char *name, const void *value, size_t size);
enum { CL_UTIME_OMIT = 0x3ffffffe, CL_O_PATH = 010000000 };

/* Shows source, with what is mounted below it, at target too, which exists. */
int cl_bind_mount(const char *source, const char *target);
/* Lets mounts below path appear in other mount namespaces. */
int cl_share_mounts(const char *path);
/* Takes away what is mounted at path, now or when nobody uses it any more. */
int cl_detach_mount(const char *path);

/* A descriptor of the process with that number, whatever gets the number later. */
int cl_open_process(pid_t number);
int cl_signal_process(int fd, int signal);

/* ethtool(8) -K tx of a link of this network namespace: sets 0 or 1, tells with -1; what it is then. */
int cl_checksum_offload(const char *interface, int wanted);

/* Tells those on a link of this network namespace that an address, of 4 or 16 bytes, is at that MAC address: an ARP request
   for itself, an unsolicited neighbour advertisement. */
int cl_announce(int index, const uint8_t mac[6], const uint8_t *address, size_t length);

/* openat2(2) that follows no symbolic link and does not leave the directory: ELOOP, EXDEV. */
int cl_open_beneath(int directory, const char *path, int flags, mode_t mode);
