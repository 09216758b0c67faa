"""The overlay: throughput compared with a manual VXLAN, ADD with many peers, round trips to etcd."""

import collections
import json
import re
import statistics

from contestants import SCRATCH
from etcd import Etcd
from hosts import Host, wire
from packets import Ends, measure_packets
from sync import measure_sync

PLUGIN = "overlay-vxlan"
# The plugin and a manual VXLAN in each mode, the plugin without its packet filter, and the manual one with a rule that needs
# connection tracking.
PAIRS = (("ours", "l2"), ("hand", "l2"), ("ours", "l3"), ("open", "l3"), ("tracked", "l3"), ("hand", "l3"))
TRACKING = "table inet tracked { chain forward { type filter hook forward priority 0; ct state established accept; }; }"
PEERS = (10, 1_000, 5_000)
ADD_ROUNDS = 20
UNDERLAY = ("172.30.0.1", "172.30.0.2")
VNI, PORT, MTU = 100, 4789, 1450
# For sockets of another namespace strace prints numbers: NEW, DEL, GET, SET of each kind follow each other from 0x10 on.
CHANGE = re.compile(r"nlmsg_type=(?:RTM_(?:NEW|DEL|SET)\w+|0x[1-9a-f][013-57-9bcdf])\b")


class OverlayResults:
    """All results."""

    def __init__(self):
        # Bits and connections per second, by contestant and mode.
        self.packets = {}
        # Microseconds by number of peers.
        self.times = collections.defaultdict(list)
        # The number of changing messages of one ADD, by whether it is the first one and by number of peers.
        self.changes = {}
        # The number of each etcd call, by operation; in this order.
        self.calls = {}
        # ADDs and the watch with few and with many hosts in etcd.
        self.sync = None

    def median(self, measure):
        return statistics.median(self.times[measure])

    def packet_ratios(self, who, mode):
        """Returns the ratios of bits and of connections to the manual VXLAN."""
        return [mine / by_hand for mine, by_hand in zip(self.packets[who, mode], self.packets["hand", mode])]


def config(mode, control, **keys):
    return {"cniVersion": "1.1.0", "name": "bench", "type": PLUGIN, "mode": mode, "vni": VNI, "controlPlane": control,
            "ipam": {"type": "host-local"}, **keys}


# Throughput

class Pair:
    """Two hosts, each with a container on one overlay."""

    def __init__(self, who, mode, plugins):
        self.who, self.mode = who, mode
        self.hosts = [Host(f"{who}-{mode}-{number}", plugins) for number in (1, 2)]
        wire(*self.hosts, [f"{address}/24" for address in UNDERLAY])
        for number, host in enumerate(self.hosts):
            # br_netfilter passes bridged frames to the packet filter; most machines do not have it.
            host.shell("for key in /proc/sys/net/bridge/bridge-nf-call-ip*; do ! [ -e $key ] || echo 0 > $key; done")
            (self.make if who in ("hand", "tracked") else self.attach)(host, number)
            if who == "tracked":
                host.shell(f"nft '{TRACKING}'")

    def close(self):
        for host in self.hosts:
            host.close()

    def address(self, number):
        return f"10.77.0.{number + 2}" if self.mode == "l2" else f"10.77.{number + 1}.2"

    def attach(self, host, number):
        """Attaches the container with the plugin."""
        if self.mode == "l2":
            keys = {"ipam": {"type": "host-local", "ranges": [[{
                "subnet": "10.77.0.0/24", "rangeStart": self.address(number), "rangeEnd": self.address(number)}]]}}
        else:
            keys = {"network": "10.77.0.0/16"}
        peers = [{"vtep": address, **({"subnet": f"10.77.{index + 1}.0/24"} if self.mode == "l3" else {})}
                 for index, address in enumerate(UNDERLAY)]
        if self.who == "open":
            keys["isolation"] = "none"
        host.run(PLUGIN, "ADD", config(self.mode, {"type": "static", "peers": peers}, **keys))

    def make(self, host, number):
        """Makes the same devices, entries and routes by hand, without packet filter rules."""
        other = 1 - number
        address, gateway = self.address(number), self.address(number).rpartition(".")[0] + ".1"
        shared = f"""
            ip link add vx0 mtu {MTU} address 02:00:00:00:00:0{number} type vxlan id {VNI} local {UNDERLAY[number]} \
                dstport {PORT} nolearning
            ip link add br0 mtu {MTU} type bridge; ip address add {gateway}/24 dev br0; ip link set br0 up
            ip link add v0 mtu {MTU} type veth peer name eth0 mtu {MTU} netns {host.box}
            ip link set v0 master br0 up
            ip -n {host.box} address add {address}/24 dev eth0; ip -n {host.box} link set eth0 up
            ip -n {host.box} route add default via {gateway}
            """
        tunnel = {
            "l2": f"""
                ip link set br0 address 02:00:00:00:01:00
                ip link set vx0 master br0 up
                bridge link set dev vx0 learning off neigh_suppress on
                bridge fdb append 00:00:00:00:00:00 dev vx0 dst {UNDERLAY[other]}
                """,
            "l3": f"""
                echo 1 > /proc/sys/net/ipv4/ip_forward
                ip address add 10.77.{number + 1}.0/32 dev vx0; ip link set vx0 up
                ip neigh add 10.77.{other + 1}.0 lladdr 02:00:00:00:00:0{other} dev vx0 nud permanent
                bridge fdb add 02:00:00:00:00:0{other} dev vx0 dst {UNDERLAY[other]} self permanent
                ip route add 10.77.{other + 1}.0/24 via 10.77.{other + 1}.0 dev vx0 src {gateway} onlink
                """}
        host.shell(shared + tunnel[self.mode])

    def ends(self):
        return Ends(self.hosts[0].box, self.hosts[1].box, self.address(1))


def measure_streams(results, plugins):
    pairs = {(who, mode): Pair(who, mode, plugins) for who, mode in PAIRS}
    results.packets = measure_packets({key: pair.ends() for key, pair in pairs.items()})
    for pair in pairs.values():
        pair.close()


# ADD with many peers

def peers_file(count):
    """Writes a file with `count` peers and this host."""
    peers = [{"vtep": f"172.16.{number >> 8}.{number & 255}", "subnet": f"10.{64 + (number >> 8)}.{number & 255}.0/24"}
             for number in range(1, count + 1)]
    path = SCRATCH / f"peers-{count}.json"
    path.write_text(json.dumps({"peers": [*peers, {"vtep": "172.31.0.1", "subnet": "10.127.0.0/24"}]}))
    return str(path)


def changes(host, settings):
    """Returns the number of netlink messages of an ADD that change something."""
    trace = SCRATCH / "trace"
    strace = ["/usr/bin/strace", "-f", "-v", "-s", "1000000", "-e", "trace=sendmsg,sendto", "-o", trace]
    host.once(PLUGIN, settings, strace)
    count = len(CHANGE.findall(trace.read_text(errors="replace")))
    trace.unlink()
    return count


def measure_peers(results, plugins):
    for count in PEERS:
        host, neighbour = Host(f"peers-{count}", plugins), Host(f"router-{count}", plugins)
        wire(host, neighbour, ("172.31.0.1/12", "172.31.0.2/12"))
        settings = config("l3", {"type": "static", "peersFile": peers_file(count)}, network="10.64.0.0/10")
        results.times[f"first-{count}"].append(host.once(PLUGIN, settings)[0])
        host.once(PLUGIN, settings)
        for _ in range(ADD_ROUNDS):
            for verb, microseconds in zip(("ADD", "DEL"), host.once(PLUGIN, settings)):
                results.times[f"{verb}-{count}"].append(microseconds)
        results.changes["later", count] = changes(host, settings)
        host.shell("ip link del vx-bench")
        results.changes["first", count] = changes(host, settings)
        host.close()
        neighbour.close()


# Round trips to etcd

def measure_etcd(results, plugins):
    hosts = [Host(f"etcd-{number}", plugins) for number in (1, 2)]
    wire(*hosts, [f"{address}/24" for address in UNDERLAY])
    with Etcd(hosts[0], UNDERLAY[0]) as etcd:
        control = {"type": "etcd", "endpoints": [etcd.endpoint]}
        for words, plugin, settings in (
                ("overlay-vxlan, l3", PLUGIN, config("l3", control, network="10.77.0.0/16", local=UNDERLAY[0])),
                ("ipam-etcd", "ipam-etcd", {
                    "cniVersion": "1.1.0", "name": "addresses", "type": "bridge", "ipam": {
                        "type": "ipam-etcd", "endpoints": [etcd.endpoint], "ranges": [[{"subnet": "10.78.0.0/16"}]]}})):
            for number, which in enumerate(("the host's first ADD", "a later ADD")):
                for verb, done in (("ADD", which), ("DEL", "DEL")):
                    etcd.calls()
                    hosts[0].run(plugin, verb, settings, f"box{number}")
                    results.calls[f"{words}: {done}"] = etcd.calls()
    for host in hosts:
        host.close()


def measure_overlay(directory, progress):
    """Measures the plugins of one directory."""
    for plugin in (PLUGIN, "ipam-etcd"):
        if not (directory / plugin).exists():
            raise SystemExit(f"no {directory / plugin}: want it to measure overlays")
    results = OverlayResults()
    progress("overlays: streams")
    measure_streams(results, directory)
    progress(f"overlays: {' and '.join(f'{count:,}' for count in PEERS)} peers")
    measure_peers(results, directory)
    progress("overlays: etcd")
    measure_etcd(results, directory)
    progress("overlays: many hosts in etcd")
    results.sync = measure_sync(directory)
    return results
