"""Networks with a policy, and the packets that it denies."""

from rows import LABELS, POLICY, PREFIXES, Row, overlay
from traffic import Flow

# Another network of the host, behind a router's port.
FAR = """
ip netns add far
ip link add far0 type veth peer name eth0 netns far
ip address add 10.9.0.1/24 dev far0; ip address add fd00:9::1/64 dev far0 nodad; ip link set far0 up
ip -n far address add 10.9.0.2/24 dev eth0; ip -n far address add fd00:9::2/64 dev eth0 nodad; ip -n far link set eth0 up
ip -n far route add default via 10.9.0.1; ip -n far route add default via fd00:9::1
"""
# Another host: its tunnel's end, which only counts packets.
PEER = """
ip netns add peer
ip link add lan0 type veth peer name lan1 netns peer
ip address add 192.0.2.1/24 dev lan0; ip link set lan0 up
ip -n peer address add 192.0.2.2/24 dev lan1; ip -n peer link set lan1 up
"""
# A LAN of macvlan interfaces, with another host on it.
LAN = """
ip netns add far
ip link add lan0 type veth peer name eth0 netns far; ip link set lan0 up
ip -n far address add 10.1.0.200/24 dev eth0; ip -n far address add fd00:1::200/64 dev eth0 nodad; ip -n far link set eth0 up
for name in arp_cache ndisc_cache; do ip -n far ntable change name $name dev eth0 retrans 10 mcast_probes 100; done
"""
FAR_ENDS, LAN_ENDS = ("10.9.0.2", "fd00:9::2"), ("10.1.0.200", "fd00:1::200")
POOL = {"type": "host-local", "ranges": [[{"subnet": "10.1.0.0/24"}], [{"subnet": "fd00:1::/64"}]]}
ENDS = {"a": ("10.1.0.9", "fd00:1::9"), "z": ("10.1.0.8", "fd00:1::8")}
OVERLAY_ENDS = {"a": ("10.1.1.9",), "z": ("10.1.1.8",)}
NAMESPACES = {"a": "box", "z": "other"}


class GuardedRow(Row):
    """A row whose containers request the addresses `ends`.

    `far`: the addresses of the namespace `far`, which exchanges packets with them. `hook`: where containers count them.
    `tunnelled`: an address of another host's container. `holds_from_result`: the policy holds once ADD has returned.
    """

    def __init__(self, name, *chain, ends=None, far=FAR_ENDS, hook="prerouting", tunnelled=None,
                 holds_from_result=False, **keys):
        ends = ends or ENDS
        super().__init__(name, *(entry | requesting(ends["a"]) for entry in chain), neighbour_keys=requesting(ends["z"]), **keys)
        self.ends, self.far, self.hook, self.tunnelled = ends, far, hook, tunnelled
        self.holds_from_result = holds_from_result

    def flows(self):
        """Returns new flows between `far` and each container, both ways."""
        flows = []
        for container in ("a", "z") if self.neighbour else ("a",):
            inside = NAMESPACES[container]
            for near, far in zip(self.ends[container], self.far):
                flows.append(Flow(container, "far", far, inside, near, self.hook))
                flows.append(Flow(container, inside, near, "far", far))
        if self.tunnelled:
            flows.append(Flow("a", "far", self.far[0], "peer", self.tunnelled, within=4789))
        return flows

    def chain_without_limits(self, chain):
        return [entry | {"policy": {"default": "allow"}} if "policy" in entry else entry for entry in chain]


def requesting(addresses):
    return {"runtimeConfig": {"ips": [address + ("/64" if ":" in address else "/24") for address in addresses]}}


def bridge(**keys):
    return {"type": "bridge", "bridge": "br1", "isDefaultGateway": True, "ipam": POOL, **keys}


def firewall(**keys):
    return {"type": "firewall", "backend": "nftables", "policy": POLICY, **keys}


def macvlan():
    return {"type": "macvlan", "master": "lan0", "policy": PREFIXES, "ipam": POOL}


def tunnel():
    return overlay(mode="l3", isolation="none", policy=POLICY, args=LABELS, isDefaultGateway=True, ipam={"type": "host-local"})


BRIDGE = {"prepare": FAR}
MACVLAN = {"prepare": LAN, "far": LAN_ENDS, "hook": "input"}
OVERLAY = {"prepare": FAR + PEER, "ends": OVERLAY_ENDS, "tunnelled": "10.1.2.5"}

GUARDED_ROWS = [
    GuardedRow("guarded-bridge", bridge(policy=POLICY, args=LABELS), **BRIDGE),
    GuardedRow("guarded-bridge-neighbour", bridge(policy=POLICY), neighbour=True, **BRIDGE),
    GuardedRow("guarded-macvlan", macvlan(), **MACVLAN),
    GuardedRow("guarded-macvlan-neighbour", macvlan(), neighbour=True, **MACVLAN),
    GuardedRow("guarded-overlay", tunnel(), **OVERLAY),
    GuardedRow("guarded-overlay-neighbour", tunnel(), neighbour=True, **OVERLAY),
    GuardedRow("guarded-firewall", bridge(), firewall(), holds_from_result=True, **BRIDGE),
    GuardedRow("guarded-firewall-neighbour", bridge(), firewall(), holds_from_result=True, neighbour=True, **BRIDGE),
]
