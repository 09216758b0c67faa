#define _GNU_SOURCE
#include "CLinux.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/if_packet.h>
#include <linux/magic.h>
#include <linux/netlink.h>
#include <linux/nsfs.h>
#include <linux/openat2.h>
#include <linux/sockios.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/icmp6.h>
#include <netinet/if_ether.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

int cl_setns_net(int fd) { return setns(fd, CLONE_NEWNET); }
int cl_unshare_net(void) { return unshare(CLONE_NEWNET); }

int cl_netlink_options(int fd) {
  const int options[] = {NETLINK_EXT_ACK, NETLINK_CAP_ACK, NETLINK_GET_STRICT_CHK};
  const int on = 1;
  for (size_t i = 0; i < sizeof options / sizeof *options; i++)
    if (setsockopt(fd, SOL_NETLINK, options[i], &on, sizeof on) != 0) return -1;
  return 0;
}

int cl_open_process(pid_t number) { return (int)syscall(SYS_pidfd_open, number, 0); }
int cl_signal_process(int fd, int signal) { return (int)syscall(SYS_pidfd_send_signal, fd, signal, NULL, 0); }

int cl_namespace_cookie(uint64_t *cookie) {
  int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  socklen_t size = sizeof *cookie;
  int status = getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, cookie, &size);
  int error = errno;
  close(fd);
  errno = error;
  return status;
}

int cl_is_net_namespace(int fd) {
  struct statfs info;
  if (fstatfs(fd, &info) != 0) return -1;
  if (info.f_type != NSFS_MAGIC) return 0;
  int type = ioctl(fd, NS_GET_NSTYPE);
  return type < 0 ? -1 : type == CLONE_NEWNET;
}

int cl_keep_child_status(void) {
  struct sigaction now;
  if (sigaction(SIGCHLD, NULL, &now) != 0) return -1;
  if (now.sa_handler != SIG_IGN && !(now.sa_flags & SA_NOCLDWAIT)) return 0;
  const struct sigaction usual = {.sa_handler = SIG_DFL};
  return sigaction(SIGCHLD, &usual, NULL);
}

static void interrupt_only(int signal) { (void)signal; }

/* For who may have no timer (RLIMIT_SIGPENDING): asks again and again, less and less often. */
static int flock_polling(int fd, int operation, int seconds) {
  struct timespec now, end;
  clock_gettime(CLOCK_MONOTONIC, &end);
  end.tv_sec += seconds;
  for (long pause = 1000000;; pause = pause < 50000000 ? pause * 2 : pause) {
    const struct timespec wait = {.tv_nsec = pause};
    nanosleep(&wait, NULL);
    if (flock(fd, operation | LOCK_NB) == 0) return 0;
    if (errno != EWOULDBLOCK && errno != EINTR) return -1;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (now.tv_sec > end.tv_sec || (now.tv_sec == end.tv_sec && now.tv_nsec >= end.tv_nsec)) {
      errno = EWOULDBLOCK;
      return -1;
    }
  }
}

int cl_flock_within(int fd, int operation, int seconds) {
  if (flock(fd, operation | LOCK_NB) == 0) return 0;
  if (errno != EWOULDBLOCK || seconds <= 0) return -1;
  /* A timer of this thread's own, which goes on ticking in case the first tick comes before flock waits. */
  struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGALRM};
  event._sigev_un._tid = gettid();
  timer_t timer;
  if (timer_create(CLOCK_MONOTONIC, &event, &timer) != 0) return flock_polling(fd, operation, seconds);
  /* The handler stays: another thread may be waiting too. */
  const struct sigaction quiet = {.sa_handler = interrupt_only};
  sigaction(SIGALRM, &quiet, NULL);
  /* Whoever started this process may have blocked the signal. */
  sigset_t alarm, before;
  sigemptyset(&alarm);
  sigaddset(&alarm, SIGALRM);
  pthread_sigmask(SIG_UNBLOCK, &alarm, &before);
  const struct itimerspec ticks = {.it_value = {.tv_sec = seconds}, .it_interval = {.tv_nsec = 50000000}};
  timer_settime(timer, 0, &ticks, NULL);
  int status, error;
  struct itimerspec left;
  do {
    status = flock(fd, operation);
    error = errno;
    timer_gettime(timer, &left);
  } while (status != 0 && error == EINTR && left.it_value.tv_sec > 0);
  timer_delete(timer);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  errno = error == EINTR ? EWOULDBLOCK : error;
  return status;
}

int cl_open(const char *path, int flags, mode_t mode) { return open(path, flags, mode); }

int cl_open_unnamed(const char *directory, mode_t mode) {
  return open(directory, O_TMPFILE | O_WRONLY | O_CLOEXEC, mode);
}

int cl_link_unnamed(int fd, const char *path) {
  char self[32];
  snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
  return linkat(AT_FDCWD, self, AT_FDCWD, path, AT_SYMLINK_FOLLOW);
}

int cl_rename_to_new(const char *from, const char *to) {
  if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0) return 0;
  if (errno != EINVAL && errno != ENOSYS) return -1;
  /* A file system that cannot do both in one step. */
  if (access(to, F_OK) == 0) {
    errno = EEXIST;
    return -1;
  }
  return rename(from, to);
}

ssize_t cl_find(const void *bytes, size_t size, const void *part, size_t length) {
  if (length == 0) return 0;
  if (size < length) return -1;
  const char *found = memmem(bytes, size, part, length);
  return found ? found - (const char *)bytes : -1;
}

int cl_pipe(int ends[2]) { return pipe2(ends, O_CLOEXEC); }

ssize_t cl_get_attribute(const char *path, const char *name, void *value, size_t size) {
  return getxattr(path, name, value, size);
}

int cl_set_attribute(int fd, const char *name, const void *value, size_t size) {
  return fsetxattr(fd, name, value, size, 0);
}

_Static_assert(CL_UTIME_OMIT == UTIME_OMIT, "the header's copy of UTIME_OMIT");
_Static_assert(CL_O_PATH == O_PATH, "the header's copy of O_PATH");

int cl_bind_mount(const char *source, const char *target) { return mount(source, target, "none", MS_BIND | MS_REC, NULL); }
int cl_share_mounts(const char *path) { return mount("", path, "none", MS_SHARED | MS_REC, NULL); }
int cl_detach_mount(const char *path) { return umount2(path, MNT_DETACH); }

int cl_open_beneath(int directory, const char *path, int flags, mode_t mode) {
  const struct open_how how = {
    .flags = flags | O_CLOEXEC, .mode = flags & O_CREAT ? mode : 0, .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS};
  return syscall(SYS_openat2, directory, path, &how, sizeof how);
}

int cl_checksum_offload(const char *interface, int wanted) {
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  struct ethtool_value value = {.cmd = wanted < 0 ? ETHTOOL_GTXCSUM : ETHTOOL_STXCSUM, .data = (unsigned)wanted};
  struct ifreq request = {.ifr_data = (void *)&value};
  strncpy(request.ifr_name, interface, sizeof request.ifr_name - 1);
  int status = ioctl(fd, SIOCETHTOOL, &request);
  int error = errno;
  close(fd);
  errno = error;
  return status != 0 ? -1 : value.data != 0;
}

static int announce_v4(int index, const uint8_t mac[6], const uint8_t address[4]) {
  struct sockaddr_ll everybody = {
    .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ARP), .sll_ifindex = index, .sll_halen = ETH_ALEN,
    .sll_addr = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
  struct ether_arp request = {.ea_hdr = {htons(ARPHRD_ETHER), htons(ETH_P_IP), ETH_ALEN, 4, htons(ARPOP_REQUEST)}};
  memcpy(request.arp_sha, mac, ETH_ALEN);
  memcpy(request.arp_spa, address, 4);
  memcpy(request.arp_tpa, address, 4);
  int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  ssize_t sent = sendto(fd, &request, sizeof request, 0, (struct sockaddr *)&everybody, sizeof everybody);
  int error = errno;
  close(fd);
  errno = error;
  return sent < 0 ? -1 : 0;
}

static int announce_v6(int index, const uint8_t mac[6], const uint8_t address[16]) {
  struct sockaddr_in6 own = {.sin6_family = AF_INET6}, everybody = {.sin6_family = AF_INET6, .sin6_scope_id = index};
  memcpy(&own.sin6_addr, address, 16);
  if (IN6_IS_ADDR_LINKLOCAL(&own.sin6_addr)) own.sin6_scope_id = index;
  everybody.sin6_addr = (struct in6_addr){.s6_addr = {0xff, 2, [15] = 1}};
  struct {
    struct nd_neighbor_advert advert;
    uint8_t type, units, mac[6];
  } message = {.type = ND_OPT_TARGET_LINKADDR, .units = 1};
  message.advert.nd_na_type = ND_NEIGHBOR_ADVERT;
  message.advert.nd_na_flags_reserved = ND_NA_FLAG_OVERRIDE;
  message.advert.nd_na_target = own.sin6_addr;
  memcpy(message.mac, mac, 6);
  int hops = 255, fd = socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMPV6);
  if (fd < 0) return -1;
  int failed = setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, &hops, sizeof hops) != 0 ||
               setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, &index, sizeof index) != 0 ||
               bind(fd, (struct sockaddr *)&own, sizeof own) != 0 ||
               sendto(fd, &message, sizeof message, 0, (struct sockaddr *)&everybody, sizeof everybody) < 0;
  int error = errno;
  close(fd);
  errno = error;
  return failed ? -1 : 0;
}

int cl_announce(int index, const uint8_t mac[6], const uint8_t *address, size_t length) {
  return length == 4 ? announce_v4(index, mac, address) : announce_v6(index, mac, address);
}

int cl_connect(const uint8_t *address, size_t length, uint16_t port) {
  union {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
  } to = {0};
  if (length == 4) {
    to.v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port)};
    memcpy(&to.v4.sin_addr, address, length);
  } else {
    to.v6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(port)};
    memcpy(&to.v6.sin6_addr, address, length);
  }
  const int fd = socket(to.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return -1;
  if (connect(fd, &to.any, length == 4 ? sizeof to.v4 : sizeof to.v6) == 0 || errno == EINPROGRESS) return fd;
  const int reason = errno;
  close(fd);
  errno = reason;
  return -1;
}

int cl_connect_local(const char *path) {
  struct sockaddr_un to = {.sun_family = AF_UNIX};
  if (strlen(path) >= sizeof to.sun_path) return errno = ENAMETOOLONG, -1;
  strcpy(to.sun_path, path);
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) == 0) return fd;
  const int reason = errno;
  close(fd);
  errno = reason;
  return -1;
}

void cl_close_on_exec(void) {
  /* CLOSE_RANGE_CLOEXEC, Linux 5.11: without it, the program inherits what the runtime left open. */
  syscall(SYS_close_range, 3, ~0U, 1 << 2);
}

int cl_connect_result(int fd) {
  int reason = 0;
  socklen_t size = sizeof reason;
  if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &reason, &size) < 0) return -1;
  errno = reason;
  return reason == 0 ? 0 : -1;
}

/* In assembly, because a constant of C would be folded into the code, where objcopy(1) cannot change it. */
__asm__(
    ".pushsection .note.swift-cni,\"a\",%note\n"
    ".balign 4\n"
    ".long 10, 64, 1\n"
    ".asciz \"swift-cni\"\n"
    ".balign 4\n"
    "cl_build_note_desc: .zero 64\n"
    ".popsection\n");
/* A struct, because for an array of this size the compiler assumes an alignment of 16 bytes. */
extern const struct {
  uint8_t bytes[CL_BUILD_ID_SIZE + CL_PROGRAM_NAME_SIZE];
} cl_build_note_desc __attribute__((visibility("hidden")));

void cl_build_note(uint8_t desc[CL_BUILD_ID_SIZE + CL_PROGRAM_NAME_SIZE]) {
  memcpy(desc, cl_build_note_desc.bytes, sizeof cl_build_note_desc.bytes);
}

/* The linker replaces both in static executables, see embedded/static.c. */
__attribute__((weak)) int cl_can_load_libraries(void) { return 1; }
__attribute__((weak)) int cl_wanted_library(void) { return 0; }

static int write_all(int fd, const char *bytes, size_t size) {
  while (size > 0) {
    ssize_t count = write(fd, bytes, size);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return -1;
    bytes += count;
    size -= (size_t)count;
  }
  return 0;
}

int cl_execute_with_input(const char *path, const char *argument, const void *input, size_t size) {
  int fd = memfd_create("input", MFD_CLOEXEC);
  if (fd < 0) return -1;
  char *arguments[] = {program_invocation_name, (char *)argument, NULL};
  if (write_all(fd, input, size) == 0 && lseek(fd, 0, SEEK_SET) == 0 && dup2(fd, STDIN_FILENO) >= 0) execv(path, arguments);
  int error = errno;
  close(fd);
  errno = error;
  return -1;
}
