"""One etcd, and a count of its calls."""

import collections
import json
import pathlib
import subprocess
import sys
import time

from contestants import SCRATCH

CLIENTS, PEERS, PROXY = 2379, 2380, 2399
PATIENCE_SECONDS = 20


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
