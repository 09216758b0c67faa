#pragma once
/* What Swift's Glibc overlay hides (needs _GNU_SOURCE) and what C has only as macros or variadic functions.
   Every function that can fail returns -1 and sets errno. */
#include <stdint.h>
#include <sys/types.h>

int cl_setns_net(int fd);
int cl_unshare_net(void);
/* NETLINK_EXT_ACK, NETLINK_CAP_ACK and NETLINK_GET_STRICT_CHK on a netlink socket. */
int cl_netlink_options(int fd);
/* 1 if fd is a network namespace, 0 if it is not. */
int cl_is_net_namespace(int fd);
/* The cookie of this thread's network namespace (SO_NETNS_COOKIE, Linux 5.14); unique until the next boot. */
int cl_namespace_cookie(uint64_t *cookie);
/* Sets SIGCHLD to its default if it is ignored: waitpid(2) would return no status. */
int cl_keep_child_status(void);
/* flock(2) with a time limit: EWOULDBLOCK. Waits in the kernel's queue, first come first served, also if signals are blocked. */
int cl_flock_within(int fd, int operation, int seconds);
int cl_open(const char *path, int flags, mode_t mode);
/* Opens a file without a name in that directory (O_TMPFILE), write-only; cl_link_unnamed gives it a name. */
int cl_open_unnamed(const char *directory, mode_t mode);
/* Gives the file a name; EEXIST if the name is taken. */
int cl_link_unnamed(int fd, const char *path);
/* rename(2) that replaces nothing; EEXIST if the name is taken. */
int cl_rename_to_new(const char *from, const char *to);
/* memmem(3): the offset of part, -1 if bytes do not contain it. */
ssize_t cl_find(const void *bytes, size_t size, const void *part, size_t length);
/* pipe(2); both ends are closed on exec. */
int cl_pipe(int ends[2]);
ssize_t cl_get_attribute(const char *path, const char *name, void *value, size_t size);
int cl_set_attribute(int fd, const char *name, const void *value, size_t size);
enum { CL_UTIME_OMIT = 0x3ffffffe, CL_O_PATH = 010000000 };

/* mount --rbind source target; target must exist. */
int cl_bind_mount(const char *source, const char *target);
/* mount --make-rshared path. */
int cl_share_mounts(const char *path);
/* umount --lazy path. */
int cl_detach_mount(const char *path);

/* pidfd_open(2). */
int cl_open_process(pid_t number);
int cl_signal_process(int fd, int signal);

/* ethtool -K INTERFACE tx in this network namespace; -1 changes nothing. Returns the present value. */
int cl_checksum_offload(const char *interface, int wanted);

/* Announces an address of 4 or 16 bytes with that MAC address on a link of this network namespace: gratuitous ARP, or an
   unsolicited neighbour advertisement. */
int cl_announce(int index, const uint8_t mac[6], const uint8_t *address, size_t length);

/* A nonblocking TCP socket that has begun to connect to an address of 4 or 16 bytes. */
int cl_connect(const uint8_t *address, size_t length, uint16_t port);
/* The end of that: 0, or -1 with the error of the connection. */
int cl_connect_result(int fd);
/* A stream socket that is connected to the Unix socket at that path: ENAMETOOLONG. */
int cl_connect_local(const char *path);
/* Descriptors that this process inherited, except the standard streams, are closed by execve(2). */
void cl_close_on_exec(void);

/* openat2(2) that follows no symbolic link and does not leave the directory: ELOOP, EXDEV. */
int cl_open_beneath(int directory, const char *path, int flags, mode_t mode);

/* Netfilter sockets of a process that ends soon. After a deletion in nf_tables, the last close of any of them waits until
   the kernel has freed what was deleted. */

/* From now on the process keeps them; it must be single-threaded when it calls exit(3). If it has deleted something, a child
   of its own holds them for a moment after the end, and nothing else. */
void cl_close_late(void);
/* Keeps a duplicate of the socket, if cl_close_late was called. */
void cl_keep_until_exit(int fd);
/* Something was deleted in nf_tables. */
void cl_note_deletion(void);

enum { CL_BUILD_ID_SIZE = 32, CL_PROGRAM_NAME_SIZE = 32 };
/* The desc of this executable's ELF note "swift-cni": the build ID of the suite, then the name of the executable. All bytes
   are zero until scripts/build writes them. */
void cl_build_note(uint8_t desc[CL_BUILD_ID_SIZE + CL_PROGRAM_NAME_SIZE]);

/* Whether this executable can load shared libraries: a static one cannot. */
int cl_can_load_libraries(void);
/* Whether a static executable would have loaded a library. */
int cl_wanted_library(void);
/* execv(3) with the same argv[0], one argument, and `input` as standard input. */
int cl_execute_with_input(const char *path, const char *argument, const void *input, size_t size);
