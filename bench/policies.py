"""Policies: traffic between two networks, and ADD and DEL, with few and with many entries of all kinds."""

import collections
import statistics

from hosts import Host, shell
from packets import PORT, Ends, measure_packets

PREFIXES, MEMBERS, POLICIES = 1_000, 10_000, 1_000
PACKET_ROUNDS, CALL_ROUNDS = 15, 30
STREAM_PORT = "5201"
SUBNETS = {"front": "10.91.0.0/16", "back": "10.92.0.0/16"}
WEB = {"key": "tier", "value": "web"}
PORTS = [f"{PORT}/tcp", f"{STREAM_PORT}/tcp"]


def dotted(first, number):
    return f"{first}.{number >> 16}.{number >> 8 & 255}.{number & 255}"


def many_prefixes():
    """Returns entries with different ports each, of which only the last is for the client."""
    entries = [{"from": {"cidr": f"{dotted(100, 256 * number)}/24"}, "ports": [f"{1000 + number}/tcp"]}
               for number in range(PREFIXES - 1)]
    return [*entries, {"from": {"cidr": SUBNETS["front"]}, "ports": PORTS}]


LABELLED = [{"from": {"label": "tier=web"}, "ports": PORTS}]
ENTRIES = {"none": None, "one": [{"from": {"network": "front"}, "ports": PORTS}], "prefixes": many_prefixes(),
           "members": LABELLED}


class Networks:
    """A host with two networks that masquerade, so connections are tracked without any policy too."""

    def __init__(self, name, plugins, entries):
        self.host, self.policy = Host(f"policy-{name}", plugins), entries and {"ingress": entries, "egress": [{}]}

    def config(self, network, policy):
        config = {
            "cniVersion": "1.0.0", "name": network, "type": "bridge", "bridge": f"{network}0", "isDefaultGateway": True,
            "ipMasq": True, "args": {"cni": {"labels": [WEB]}},
            "ipam": {"type": "host-local", "subnet": SUBNETS[network]}}
        return {**config, "policy": policy} if policy else config

    def ends(self):
        """Attaches a client to one network and a server, whose policy it is, to the other."""
        boxes, addresses = {"front": self.host.box, "back": f"{self.host.name}-other"}, {}
        shell(f"ip netns add {boxes['back']}; ip -n {boxes['back']} link set lo up")
        for network, policy in (("front", self.policy and {"default": "allow"}), ("back", self.policy)):
            self.host.box = boxes[network]
            _, result = self.host.run("bridge", "ADD", self.config(network, policy))
            addresses[network] = result["ips"][0]["address"].split("/")[0]
        return Ends(boxes["front"], boxes["back"], addresses["back"])

    def close(self):
        shell(f"ip netns list | grep -o '^{self.host.name}-other' | xargs -r ip netns del")
        self.host.box = f"{self.host.name}-box"
        self.host.close()

    def nft(self, commands):
        path = f"/run/bench/{self.host.name}.nft"
        with open(path, "w") as file:
            file.write("\n".join(commands))
        self.host.shell(f"nft -f {path}")

    def add_members(self):
        """Adds the addresses of many containers with the label."""
        name = self.host.shell("nft list sets inet | grep -o 'label_[a-z0-9]*_4'").split()[0]
        members = ", ".join(f'"front0" . {dotted(101, number)}' for number in range(MEMBERS))
        self.nft([f"add element inet swift_cni {name} {{ {members} }}"])

    def add_policies(self):
        """Adds many different policies, each of another link with one container."""
        commands = []
        for number in range(POLICIES):
            for side, end, link, way in (("in", "saddr", "limited_in_links", "oifname . ip daddr"),
                                         ("out", "daddr", "limited_links", "iifname . ip saddr")):
                name, chain = f"limit_{side}_filler{number}", f"inet swift_cni limit_{side}_filler{number}"
                key = f'"fill{number}" . {dotted(102, number)} comment "cni:back/filler{number}/eth0 policies"'
                commands += [
                    f"add set inet swift_cni {name}_4 {{ type ifname . ipv4_addr; elements = {{ {key} }}; }}",
                    f"add chain {chain}", f"add rule {chain} {way} != @{name}_4 return",
                    f"add rule {chain} ip {end} {dotted(103, number)} tcp dport {number + 1} return",
                    f"add rule {chain} counter drop",
                    f'add element inet swift_cni {link} {{ "fill{number}" comment "{name}" : jump {name} }}']
        self.nft(commands)

    def add_crowd(self):
        """Adds many containers with the policy."""
        for side in ("in", "out"):
            name = self.host.shell(f"nft list sets inet | grep -o 'limit_{side}_[a-z0-9]*_4'").split()[0]
            members = ", ".join(f'"back0" . {dotted(102, number)}' for number in range(MEMBERS))
            self.nft([f"add element inet swift_cni {name} {{ {members} }}"])

    def calls(self):
        """Returns the microseconds of ADD and DEL of a new container with the policy."""
        return self.host.once("bridge", self.config("back", self.policy))


def measure_traffic(plugins):
    """Returns the best bits and connections per second by the policy's entries."""
    networks = {name: Networks(name, plugins, entries) for name, entries in ENTRIES.items()}
    contestants = {name: one.ends() for name, one in networks.items()}
    networks["members"].add_members()
    best = measure_packets(contestants, PACKET_ROUNDS)
    for one in networks.values():
        one.close()
    return best


def measure_calls(plugins):
    """Returns the median microseconds of ADD and DEL by what else is on the host."""
    networks = {name: Networks(f"calls-{name}", plugins, LABELLED) for name in ("few", "members", "crowd", "policies")}
    for one in networks.values():
        # It stays: the table and the label's set, with one container.
        one.host.run("bridge", "ADD", one.config("back", one.policy), "first")
        one.host.shell(f"ip -n {one.host.box} link delete eth0 || true")
    networks["members"].add_members()
    networks["crowd"].add_crowd()
    networks["policies"].add_policies()
    found = collections.defaultdict(list)
    for number in range(-2, CALL_ROUNDS):
        for name, one in networks.items():
            for verb, microseconds in zip(("ADD", "DEL"), one.calls()):
                if number >= 0:
                    found[verb, name].append(microseconds)
    for one in networks.values():
        one.close()
    return {key: statistics.median(values) for key, values in found.items()}


def measure_policies(plugins, progress):
    progress("policies")
    return measure_traffic(plugins), measure_calls(plugins)
