"""A host for one run: network, mount and PID namespaces, with empty /run and /var/lib/cni."""

import ctypes
import json
import os
import pathlib
import pickle
import signal
import subprocess
import time

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWNET = 0x20000, 0x20000000, 0x40000000
MS_PRIVATE_RECURSIVE = 0x40000 | 0x4000
# Below /run, so that it ends with the host; no snapshot looks there.
SCRATCH = pathlib.Path("/run/faults")
BOX = "/run/netns/box"
# A plugin waits 30 seconds for a lock before it answers with an error.
PATIENCE = 90


def system(done):
    if done:
        problem = ctypes.get_errno()
        raise OSError(problem, os.strerror(problem))


def mount(kind, target):
    system(LIBC.mount(kind.encode(), target.encode(), kind.encode(), 0, None))


def start(work):
    """Runs work() in the first process of a new host; returns its pid and the pipe with the result."""
    read, write = os.pipe()
    pid = os.fork()
    if pid:
        os.close(write)
        return pid, read
    status = 1
    try:
        system(LIBC.unshare(CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET))
        first = os.fork()
        if first:
            # The kernel ends all processes of the host with its first process.
            status = os.waitstatus_to_exitcode(os.waitpid(first, 0)[1])
        else:
            answer = run_inside(work)
            with os.fdopen(write, "wb") as pipe:
                pickle.dump(answer, pipe)
            status = 0
    finally:
        os._exit(status)


def run_inside(work):
    system(LIBC.mount(b"none", b"/", None, MS_PRIVATE_RECURSIVE, None))
    for directory in ("/run", "/var/lib/cni"):
        mount("tmpfs", directory)
    mount("proc", "/proc")
    mount("sysfs", "/sys")
    for directory in ("/run/netns", "/run/lock", SCRATCH):
        os.makedirs(directory)
    shell("ip link set lo up; ip netns add box; ip -n box link set lo up")
    return work()


def shell(script):
    done = subprocess.run(["sh", "-ec", script], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if done.returncode:
        raise RuntimeError(f"status {done.returncode}: {script}\n{done.stdout}{done.stderr}")
    return done.stdout


class Outcome:
    """The result of a program: `status` is negative for a signal, and None if the program had to be killed."""

    def __init__(self, status, output, errors):
        self.status, self.output, self.errors = status, output, errors

    @property
    def is_success(self):
        return self.status == 0

    def document(self):
        """The JSON object on standard output, or None."""
        try:
            document = json.loads(self.output)
        except ValueError:
            return None
        return document if isinstance(document, dict) else None

    def __str__(self):
        words = "no end" if self.status is None else f"status {self.status}"
        text = " ".join((self.output + " " + self.errors).split())
        return f"{words}: {text[:400] or 'no output'}"


def run(words, environment, document):
    """Runs a program with a JSON document on its standard input."""
    # Files, not pipes: a remaining child process must not block the reader.
    with open(SCRATCH / "out", "w+") as output, open(SCRATCH / "err", "w+") as errors:
        (SCRATCH / "in").write_text(json.dumps(document))
        with open(SCRATCH / "in") as source:
            process = subprocess.Popen(
                words, env=environment, stdin=source, stdout=output, stderr=errors, start_new_session=True)
        try:
            status = process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            status = None
        texts = []
        for file in (output, errors):
            file.seek(0)
            texts.append(file.read())
        return Outcome(status, *texts)


def processes():
    """Returns the names of all other processes that are not zombies."""
    names = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) == os.getpid():
            continue
        try:
            text = pathlib.Path(f"/proc/{entry}/stat").read_text()
        except OSError:
            continue
        name, state = text[text.index("(") + 1:text.rindex(")")], text[text.rindex(")") + 2]
        if state != "Z":
            names.append(name)
    return sorted(names)


def wait_for_processes():
    """Waits until the children of a killed plugin have ended; a name server and haproxy stay."""
    end = time.monotonic() + PATIENCE
    while any(name not in ("dnsmasq", "haproxy") for name in processes()) and time.monotonic() < end:
        time.sleep(0.01)


class Inside:
    """Enters a network namespace in a `with` block; programs that are started there are in it too."""

    def __init__(self, path):
        self.path = path

    def enter(self, path):
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        system(LIBC.setns(file, CLONE_NEWNET))
        os.close(file)

    def __enter__(self):
        self.before = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        self.enter(self.path)

    def __exit__(self, *_):
        system(LIBC.setns(self.before, CLONE_NEWNET))
        os.close(self.before)
