"""A host of an etcd network with thousands of hosts: its ADDs, and `cnictl overlay sync --watch` while others change."""

import json
import os
import random
import statistics
import subprocess
import time

from contestants import SCRATCH
from etcd import Etcd, Gateway, base
from hosts import Host, wire
from labels import measure_labels

PLUGIN, NETWORK, DEVICE = "overlay-vxlan", "many", "vx-many"
FEW, MANY = 10, 5_000
CHANGES_PER_SECOND, SECONDS = 100, 30
LATER_ADDS = 10
PREFIX = "/coreos.com/network"
# At most 128 operations in one transaction of etcd.
BATCH = 100
PATIENCE_SECONDS = 60
LOCAL = "172.31.0.1"


class SyncResults:
    """Seconds by number of hosts, and what the watch took."""

    def __init__(self):
        self.first, self.later = {}, {}
        # Parts of one core, and seconds from the last change to the kernel having it.
        self.load, self.delay = None, None
        # Seconds from each change of a label to the kernel having it.
        self.labels = []


class OtherHost:
    """A host that exists only in etcd."""

    def __init__(self, number):
        self.number, self.turn = number, 0
        self.subnet = f"10.{64 + (number >> 8)}.{number & 255}.0/24"
        self.vtep = f"172.16.{number >> 8}.{number & 255}"

    @property
    def mac(self):
        return f"02:00:{self.turn & 255:02x}:00:{self.number >> 8:02x}:{self.number & 255:02x}"

    def put(self):
        data = {"PublicIP": self.vtep, "BackendType": "vxlan", "BackendData": {"VNI": 100, "VtepMAC": self.mac}}
        return {"request_put": {"key": self.key, "value": base(json.dumps(data))}}

    def delete(self):
        return {"request_delete_range": {"key": self.key}}

    @property
    def key(self):
        return base(f"{PREFIX}/subnets/{self.subnet.replace('/', '-')}")


class Crowd:
    """The other hosts, of which some come and go."""

    def __init__(self, gateway, count):
        self.gateway, self.prefix = gateway, PREFIX
        self.present = {number: OtherHost(number) for number in range(1, count + 1)}
        self.absent = []
        self.random = random.Random(1)
        hosts = list(self.present.values())
        for start in range(0, count, BATCH):
            gateway.write([host.put() for host in hosts[start:start + BATCH]])

    def change(self):
        """Changes one host: removes it, adds one again, or gives one another MAC address."""
        what = self.random.randrange(3)
        if what == 0 and self.absent:
            host = self.absent.pop(self.random.randrange(len(self.absent)))
            self.present[host.number] = host
            return self.gateway.write([host.put()])
        host = self.present[self.random.choice(list(self.present))]
        if what == 1:
            self.absent.append(self.present.pop(host.number))
            return self.gateway.write([host.delete()])
        host.turn += 1
        self.gateway.write([host.put()])

    def entries(self):
        """Returns the routes, neighbours and forwarding entries that the kernel must have."""
        hosts = self.present.values()
        return ({host.subnet for host in hosts}, {(host.subnet[:-3], host.mac) for host in hosts},
                {(host.mac, host.vtep) for host in hosts})


def kernel_entries(host):
    def listed(command):
        return json.loads(host.shell(command) or "[]")
    return ({one["dst"] for one in listed(f"ip -j route show dev {DEVICE}")},
            {(one["dst"], one["lladdr"]) for one in listed(f"ip -j neighbour show dev {DEVICE} nud permanent")},
            {(one["mac"], one["dst"]) for one in listed(f"bridge -j fdb show dev {DEVICE}") if "dst" in one})


def await_entries(host, crowd):
    """Returns the seconds until the kernel has exactly the present hosts."""
    begun = time.monotonic()
    while kernel_entries(host) != crowd.entries():
        if time.monotonic() - begun > PATIENCE_SECONDS:
            return float("inf")
        time.sleep(0.1)
    return time.monotonic() - begun


def cpu_seconds(process):
    fields = open(f"/proc/{process}/stat").read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def config(etcd):
    return {"cniVersion": "1.1.0", "name": NETWORK, "type": PLUGIN, "mode": "l3", "vni": 100, "network": "10.64.0.0/10",
            "local": LOCAL, "controlPlane": {"type": "etcd", "endpoints": [etcd.direct], "subnetLen": 24},
            "ipam": {"type": "host-local"}}


def measure_adds(results, host, settings, count):
    results.first[count] = host.once(PLUGIN, settings)[0] / 1e6
    host.once(PLUGIN, settings)
    results.later[count] = statistics.median(host.once(PLUGIN, settings)[0] for _ in range(LATER_ADDS)) / 1e6


class Watch:
    """`cnictl overlay sync --watch` on a host during a `with` block."""

    def __init__(self, host, settings):
        self.directory = SCRATCH / f"{host.name}-conf"
        self.directory.mkdir(exist_ok=True)
        (self.directory / "many.conf").write_text(json.dumps(settings))
        self.host = host

    def __enter__(self):
        # Its state directories are those of the host's runner.
        command = ["nsenter", f"--target={self.host.runner.pid}", "--mount", "--net", self.host.plugins / "cnictl",
                   "overlay", "sync", "--watch", f"--conf-dir={self.directory}"]
        self.log = open(SCRATCH / "watch.log", "w")
        self.process = subprocess.Popen(command, stdout=self.log, stderr=subprocess.STDOUT)
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.log.close()

    def follow(self, crowd, results):
        """Changes hosts for some time, and measures the watch meanwhile and until it has written all of it."""
        await_entries(self.host, crowd)
        crowd.change()
        await_entries(self.host, crowd)
        before, begun = cpu_seconds(self.process.pid), time.monotonic()
        for number in range(SECONDS * CHANGES_PER_SECOND):
            crowd.change()
            time.sleep(max(0, begun + (number + 1) / CHANGES_PER_SECOND - time.monotonic()))
        seconds = time.monotonic() - begun
        results.delay = await_entries(self.host, crowd)
        # What it does after the last change is for these changes too.
        results.load = (cpu_seconds(self.process.pid) - before) / seconds


def measure_sync(plugins, counts=(FEW, MANY)):
    results = SyncResults()
    for count in counts:
        host, neighbour = Host(f"many-{count}", plugins), Host(f"beside-{count}", plugins)
        wire(host, neighbour, (f"{LOCAL}/12", "172.31.0.2/12"))
        with Etcd(host, "127.0.0.1") as etcd:
            crowd = Crowd(Gateway(host), count)
            measure_adds(results, host, config(etcd), count)
            if count == counts[-1]:
                with Watch(host, config(etcd)) as watch:
                    watch.follow(crowd, results)
                results.labels = measure_labels(host, config(etcd), Watch, crowd)
        host.close()
        neighbour.close()
    return results
