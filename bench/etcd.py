"""One etcd, and a count of its calls."""

import base64
import collections
import ctypes
import http.client
import json
import pathlib
import subprocess
import sys
import time

from contestants import SCRATCH

CLIENTS, PEERS, PROXY = 2379, 2380, 2399
PATIENCE_SECONDS = 20
# CLONE_NEWNET of sched.h.
NEW_NETWORK = 0x40000000


class Etcd:
    """Runs on a host during a `with` block; the plugins reach it through a proxy that counts calls."""

    def __init__(self, host, address):
        self.host, self.endpoint = host, f"http://{address}:{PROXY}"
        # Without the proxy, from the host itself.
        self.direct = f"http://127.0.0.1:{CLIENTS}"

    def __enter__(self):
        inside = ["ip", "netns", "exec", self.host.name]
        self.log = open(SCRATCH / "etcd.log", "w")
        # In memory, because only calls are counted, not the time of a disk.
        self.server = subprocess.Popen(
            [*inside, "etcd", "--data-dir", SCRATCH / f"etcd-{self.host.name}",
             "--listen-client-urls", f"http://127.0.0.1:{CLIENTS}",
             "--advertise-client-urls", f"http://127.0.0.1:{CLIENTS}",
             "--listen-peer-urls", f"http://127.0.0.1:{PEERS}"],
            stdout=self.log, stderr=subprocess.STDOUT)
        program = pathlib.Path(__file__).with_name("counting_proxy.py")
        self.proxy = subprocess.Popen(
            [*inside, sys.executable, "-B", program, f"{self.endpoint.removeprefix('http://')}", str(CLIENTS)],
            text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not self.is_healthy():
            if time.monotonic() > deadline:
                raise SystemExit(f"etcd: not healthy after {PATIENCE_SECONDS} s: see {self.log.name}")
            time.sleep(0.1)
        return self

    def __exit__(self, *_):
        self.proxy.stdin.close()
        self.proxy.wait()
        self.server.terminate()
        self.server.wait()
        self.log.close()

    def is_healthy(self):
        done = subprocess.run(
            ["ip", "netns", "exec", self.host.name, "etcdctl", f"--endpoints=127.0.0.1:{CLIENTS}", "endpoint",
             "health"],
            env={"ETCDCTL_API": "3", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        return done.returncode == 0

    def calls(self):
        """Returns the calls since the previous one: `{"kv/range": 2}`."""
        self.proxy.stdin.write("\n")
        self.proxy.stdin.flush()
        return collections.Counter(path.removeprefix("/v3/") for path in json.loads(self.proxy.stdout.readline()))


def enter(namespace):
    """Moves this process into a network namespace; Python has setns(2) since 3.12."""
    if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), NEW_NETWORK):
        raise OSError(ctypes.get_errno(), "setns")


class Gateway:
    """The JSON gateway of an etcd on a host, spoken to over a connection that was opened in the host's namespace."""

    def __init__(self, host):
        with open(f"/run/netns/{host.name}") as inside, open("/proc/self/ns/net") as outside:
            enter(inside)
            self.connection = http.client.HTTPConnection("127.0.0.1", CLIENTS)
            self.connection.connect()
            enter(outside)

    def write(self, operations):
        body = json.dumps({"success": operations})
        self.connection.request("POST", "/v3/kv/txn", body)
        answer = self.connection.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise SystemExit(f"etcd: write {len(operations)} keys: status {answer.status}: {text.decode()}")


def base(text):
    return base64.b64encode(text.encode()).decode()
