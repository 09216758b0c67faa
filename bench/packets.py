"""TCP between two containers: one stream, and connections opened one after the other."""

import collections
import json
import subprocess
import time

from contestants import BUILT
from hosts import Host, shell

ROUNDS, BYTES, MILLISECONDS = 25, "300M", 100
PORT = "5300"
SETTLING_SECONDS = 0.5


class Ends:
    """Two containers by their network namespaces; the address is that of the second."""

    def __init__(self, client, server, address):
        self.client, self.server, self.address = client, server, address

    def serve(self):
        self.servers = [
            subprocess.Popen(["ip", "netns", "exec", self.server, *command], stdout=subprocess.DEVNULL)
            for command in (["iperf3", "--server"], [BUILT / "connections", "serve", PORT])]

    def stop_serving(self):
        for server in self.servers:
            server.kill()
            server.wait()

    def bits(self):
        """Returns the bits per second of one stream."""
        answer = json.loads(shell(f"iperf3 --client {self.address} --bytes {BYTES} --json || true", self.client))
        if "error" in answer:
            raise SystemExit(f"{self.client}: iperf3 to {self.address}: {answer['error']}")
        return answer["end"]["sum_received"]["bits_per_second"]

    def connections(self):
        """Returns the number of connections opened per second."""
        return float(shell(f"{BUILT / 'connections'} open {self.address} {PORT} {MILLISECONDS}", self.client))


def measure_packets(contestants, rounds=ROUNDS):
    """Returns the best bits and connections per second of each, by its key: other load on the machine can only lower them."""
    best = collections.defaultdict(lambda: (0, 0))
    for ends in contestants.values():
        ends.serve()
    time.sleep(SETTLING_SECONDS)
    keys = list(contestants)
    try:
        for number in range(-1, rounds):
            for turn in range(len(keys)):
                key = keys[(number + turn) % len(keys)]
                found = contestants[key].bits(), contestants[key].connections()
                if number >= 0:
                    best[key] = tuple(map(max, best[key], found))
    finally:
        for ends in contestants.values():
            ends.stop_serving()
    return best


def measure_bridges(ours, peer):
    """Measures two containers of a bridge with `ipMasq` whose frames pass the packet filter, and of one without rules."""
    hosts, contestants = [], {}
    for who, plugins in (("ours", ours), ("peer", peer), ("none", ours)):
        host = Host(f"bridged-{who}", plugins)
        hosts.append(host)
        addresses = []
        for box in (host.box, f"{host.name}-other"):
            if box != host.box:
                shell(f"ip netns add {box}; ip -n {box} link set lo up")
            host.box = box
            result = host.run("bridge", "ADD", {
                "cniVersion": "1.0.0", "name": "bench", "type": "bridge", "bridge": "bridged0", "isGateway": True,
                "ipMasq": who != "none", "ipam": {"type": "host-local", "subnet": "10.79.0.0/24"}}, box)[1]
            addresses.append(result["ips"][0]["address"].split("/")[0])
        host.shell("for key in /proc/sys/net/bridge/bridge-nf-call-ip*; do echo 1 > $key; done")
        contestants[who] = Ends(f"{host.name}-box", host.box, addresses[1])
    best = measure_packets(contestants)
    for host in hosts:
        host.close()
        shell(f"ip netns del {host.name}-box")
    return best
