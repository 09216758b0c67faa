"""Services: connections through a virtual address, and ADD and DEL of a back-end, with few and with many others."""

import collections
import statistics
import subprocess

from contestants import SCRATCH
from hosts import Host, shell
from packets import PORT, Ends, measure_packets

MEMBERS, SERVICES = (1, 10, 200), 1_000
PACKET_ROUNDS, CALL_ROUNDS = 15, 40
VIP = "10.94.255.10"
SUBNETS = {"clients": "10.93.0.0/16", "servers": "10.94.0.0/16"}
HAPROXY = f"""
defaults
  mode tcp
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  maxconn 20000
listen web
  bind {VIP}:{PORT}
  bind {VIP}:5201
"""


def dotted(number, base=(10 << 24) + (94 << 16)):
    value = base + number
    return ".".join(str(value >> shift & 255) for shift in (24, 16, 8, 0))


class ServiceHost:
    """A host with a network of clients and one of servers, both masqueraded, so that all connections are tracked."""

    def __init__(self, name, plugins):
        self.host = Host(f"service-{name}", plugins)

    def attach(self):
        """Attaches a client, and a server that has an address for each back-end."""
        boxes = {"clients": self.host.box, "servers": f"{self.host.name}-other"}
        shell(f"ip netns add {boxes['servers']}; ip -n {boxes['servers']} link set lo up")
        for network, box in boxes.items():
            self.host.box = box
            self.host.run("bridge", "ADD", {
                "cniVersion": "1.0.0", "name": network, "type": "bridge", "bridge": f"{network}0", "isDefaultGateway": True,
                "ipMasq": True, "ipam": {"type": "host-local", "subnet": SUBNETS[network]}})
        more = "".join(f"address add {dotted(256 + number)}/16 dev eth0\n" for number in range(MEMBERS[-1]))
        subprocess.run(["ip", "-n", boxes["servers"], "-batch", "-"], input=more, text=True, check=True)
        self.client, self.server = boxes.values()

    def config(self, number, service="web", vip=VIP, port=int(PORT)):
        """Returns the chained call of the container with that number."""
        return {
            "cniVersion": "1.0.0", "name": "servers", "type": "service", "service": service, "vip": [vip],
            "ports": [{"port": port}, {"port": 5201}],
            "prevResult": {"cniVersion": "1.0.0", "interfaces": [
                {"name": "servers0"}, {"name": "eth0", "sandbox": f"/run/netns/{self.host.box}"}],
                "ips": [{"interface": 1, "address": f"{dotted(256 + number)}/16", "gateway": "10.94.0.1"}]}}

    def add_members(self, count):
        for number in range(count):
            self.host.run("service", "ADD", self.config(number), f"member{number}")

    def add_services(self):
        for number in range(SERVICES):
            config = self.config(number % MEMBERS[-1], f"other{number}", dotted(0xC000 + number))
            self.host.run("service", "ADD", config, f"other{number}")

    def start_haproxy(self):
        """A TCP proxy at the same address, in place of the service."""
        path = SCRATCH / "haproxy.cfg"
        path.write_text(HAPROXY + "  server one " + dotted(256) + "\n")
        self.host.shell(f"ip address add {VIP}/32 dev lo")
        self.haproxy = subprocess.Popen(["ip", "netns", "exec", self.host.name, "haproxy", "-db", "-q", "-f", path])

    def ends(self, address):
        return Ends(self.client, self.server, address)

    def close(self):
        if hasattr(self, "haproxy"):
            self.haproxy.kill()
            self.haproxy.wait()
        shell(f"ip netns list | grep -o '^{self.host.name}-other' | xargs -r ip netns del")
        self.host.box = f"{self.host.name}-box"
        self.host.close()


def measure_traffic(plugins):
    """Returns the best bits and connections per second, directly, by services of several sizes, and by haproxy."""
    hosts = {key: ServiceHost(str(key), plugins) for key in ("direct", *MEMBERS, "haproxy")}
    for key, one in hosts.items():
        one.attach()
        if key in MEMBERS:
            one.add_members(key)
    hosts["haproxy"].start_haproxy()
    best = measure_packets(
        {key: one.ends(dotted(256) if key == "direct" else VIP) for key, one in hosts.items()}, PACKET_ROUNDS)
    for one in hosts.values():
        one.close()
    return best


def measure_calls(plugins):
    """Returns the median microseconds of ADD and DEL of a back-end, by what is there before."""
    hosts = {key: ServiceHost(f"calls-{key}", plugins) for key in ("few", "members", "services")}
    for one in hosts.values():
        one.attach()
        one.add_members(1)
    hosts["members"].add_members(MEMBERS[-1] - 1)
    hosts["services"].add_services()
    found = collections.defaultdict(list)
    for number in range(-2, CALL_ROUNDS):
        for key, one in hosts.items():
            for verb, microseconds in zip(("ADD", "DEL"), one.host.once("service", one.config(MEMBERS[-1] - 1))):
                if number >= 0:
                    found[verb, key].append(microseconds)
    for one in hosts.values():
        one.close()
    return {key: statistics.median(values) for key, values in found.items()}


def measure_services(plugins, progress):
    progress("services")
    return measure_traffic(plugins), measure_calls(plugins)
