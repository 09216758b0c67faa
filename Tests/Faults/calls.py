"""System calls as strace prints them: which of them change something, and how each can fail."""

import re

BEGIN = re.compile(r"^(\w+)\(")
GET_ROUTE = 2  # RTM_GETLINK is 18, RTM_GETADDR 22, …
NFT, CONNTRACK = 10, 1
GET_NFT, GET_CONNTRACK = {1, 4, 7, 10, 13, 16, 19, 21, 23, 25, 26}, {1}
CHANGING = {
    "chmod", "chown", "clone", "clone3", "creat", "fallocate", "fchmod", "fchmodat", "fchown", "fchownat", "fork", "fremovexattr",
    "fsetxattr", "ftruncate", "kill", "link", "linkat", "mkdir", "mkdirat", "mount", "pidfd_send_signal", "rename", "renameat",
    "renameat2", "rmdir", "setns", "setxattr", "symlink", "symlinkat", "truncate", "umount2", "unlink", "unlinkat", "unshare",
    "utimensat", "vfork", "wait4", "waitid"}
WRITING = {"write", "pwrite64", "writev", "pwritev"}

# A sysctl that fails with EPERM looks like a read-only /proc/sys, which plugins accept.
ERRORS = {
    "open": ("EMFILE", "EIO", "EINTR"), "openat": ("EMFILE", "EIO", "EINTR"),
    "read": ("EIO", "EINTR"), "pread64": ("EIO",), "write": ("ENOSPC", "EIO", "EINTR"), "pwrite64": ("ENOSPC", "EIO", "EINTR"),
    "writev": ("ENOSPC", "EIO", "EINTR"),
    "fsync": ("EIO", "ENOSPC"), "fdatasync": ("EIO",), "ftruncate": ("EIO", "ENOSPC"), "fallocate": ("ENOSPC",),
    "rename": ("EIO", "ENOSPC"), "renameat": ("EIO", "ENOSPC"), "renameat2": ("EIO", "ENOSPC"), "unlink": ("EIO", "EPERM"),
    "unlinkat": ("EIO", "EPERM"), "link": ("EIO", "ENOSPC"), "linkat": ("EIO", "ENOSPC"), "symlink": ("EIO", "ENOSPC"),
    "mkdir": ("EIO", "ENOSPC", "EPERM"), "mkdirat": ("EIO", "ENOSPC"), "rmdir": ("EIO", "EPERM"), "chmod": ("EPERM",),
    "fchmod": ("EPERM",), "fchmodat": ("EPERM",), "fchown": ("EPERM",), "fsetxattr": ("EPERM", "ENOSPC"),
    "utimensat": ("EPERM",),
    "stat": ("EIO", "ENOMEM"), "lstat": ("EIO", "ENOMEM"), "fstat": ("EIO", "ENOMEM"), "newfstatat": ("EIO", "ENOMEM"),
    "statx": ("EIO", "ENOMEM"), "access": ("EIO", "ENOMEM"), "faccessat2": ("EIO", "ENOMEM"), "fstatfs": ("EIO",),
    "readlink": ("EIO", "ENOMEM"), "readlinkat": ("EIO", "ENOMEM"), "getdents64": ("EIO", "ENOMEM"), "flock": ("EINTR", "ENOLCK"),
    "socket": ("EMFILE", "ENOBUFS"), "bind": ("ENOMEM",), "connect": ("ENOMEM", "EINTR"), "getsockname": ("ENOBUFS",),
    "setsockopt": ("ENOMEM", "EPERM"), "getsockopt": ("ENOMEM", "EAGAIN"),
    "sendmsg": ("ENOBUFS", "EINTR", "EPERM"), "sendto": ("ENOBUFS", "EINTR", "EPERM"),
    "recvmsg": ("ENOBUFS", "ENOMEM", "EINTR"), "recvfrom": ("ENOBUFS", "ENOMEM", "EINTR"),
    "poll": ("EINTR", "ENOMEM"), "ppoll": ("EINTR", "ENOMEM"), "pselect6": ("EINTR", "ENOMEM"), "ioctl": ("EPERM", "ENOMEM"),
    "setns": ("EPERM", "ENOMEM"), "unshare": ("EPERM", "ENOMEM"), "clone": ("EAGAIN", "ENOMEM"),
    "clone3": ("EAGAIN", "ENOMEM"), "vfork": ("EAGAIN", "ENOMEM"), "wait4": ("EINTR", "ECHILD"), "waitid": ("EINTR", "ECHILD"),
    "pipe2": ("EMFILE",), "dup": ("EMFILE",), "memfd_create": ("EMFILE",), "timerfd_create": ("EMFILE",),
    "inotify_init1": ("EMFILE",), "getrandom": ("EINTR",), "kill": ("EPERM",), "mount": ("EPERM", "ENOMEM"),
    "umount2": ("EBUSY",)}


class Call:
    """The n-th call of its name in a process, with strace's line; `changes` tells whether it may change the host."""

    def __init__(self, name, number, line, changes):
        self.name, self.number, self.line, self.changes = name, number, line, changes

    def errors(self):
        names = ERRORS.get(self.name, ())
        if self.name in ("open", "openat") and re.search(r"O_(CREAT|TMPFILE)", self.line):
            names += ("ENOSPC", "EPERM")
        return names


def parse(text):
    """Returns a plugin's calls from its first read of standard input on; calls before that are the loader's."""
    counts, families, calls = {}, {}, []
    has_begun = False
    for line in text.splitlines():
        match = BEGIN.match(line)
        if not match:
            continue
        name = match.group(1)
        counts[name] = counts.get(name, 0) + 1
        has_begun = has_begun or line.startswith("read(0,")
        if name == "socket" and (made := re.search(r"(?:AF_NETLINK, .*, NETLINK_(\w+)\)|\)) += (\d+)$", line)):
            families[made.group(2)] = made.group(1)
        # A call that a signal interrupts is in the trace twice.
        if has_begun and "= ? ERESTART" not in line:
            calls.append(Call(name, counts[name], line, may_change(name, line, families)))
    return calls


def may_change(name, line, families):
    if name in CHANGING:
        return True
    if name in ("open", "openat"):
        return re.search(r"O_(WRONLY|RDWR|CREAT|TRUNC)", line) is not None
    if name in WRITING:
        return not line.startswith(f"{name}(2,") and " = -1 " not in line
    if name == "setsockopt":
        return re.search(r"_SO_SET|SOL_IP(V6)?, (64|65|0x40|0x41),", line) is not None
    if name == "ioctl":
        return "SIOCS" in line or "SIOCBR" in line
    if name in ("sendmsg", "sendto"):
        descriptor = line[len(name) + 1:].split(",")[0]
        return is_netlink_change(line, families.get(descriptor))
    return False


def is_netlink_change(line, family):
    kind = re.search(r"nlmsg_type=([^, ]+)", line)
    if not kind:
        return family != "SOCK_DIAG"
    text = kind.group(1)
    try:
        number = int(text, 0)
    except ValueError:
        return "GET" not in text
    if family == "NETFILTER":
        group, message = number >> 8, number & 0xFF
        return not (group == NFT and message in GET_NFT or group == CONNTRACK and message in GET_CONNTRACK)
    return number % 4 != GET_ROUTE if family == "ROUTE" else True
