"""The plugins and configurations of the sweeps."""

POOL = {"type": "host-local", "ranges": [[{"subnet": "10.1.0.0/24"}], [{"subnet": "fd00:1::/64"}]]}
LAN = "ip link add lan0 type veth peer name lan1; ip address add 192.0.2.1/24 dev lan0; ip link set lan0 up; ip link set lan1 up"
# After this the kernel lists legacy tables as in use.
LEGACY = "iptables-legacy -t nat -S >/dev/null; iptables-legacy -S >/dev/null; ip6tables-legacy -t nat -S >/dev/null"


class Row:
    """A chain of plugins. Calls fail in the last one, or in the plugin `target` that it runs.

    `prepare` is a shell script that runs first. With `neighbour`, another container of the network is attached before, with
    `neighbour_keys` in its configuration.
    """

    def __init__(self, name, *chain, target=None, prepare="", neighbour=False, neighbour_keys=None, namespace=None):
        self.name, self.prepare, self.neighbour, self.namespace = name, prepare, neighbour, namespace
        self.neighbour_keys = neighbour_keys or {}
        self.chain = [{"cniVersion": "1.1.0", "name": "net", **entry} for entry in chain]
        self.target = target or self.chain[-1]["type"]


def bridge(**keys):
    return {"type": "bridge", "bridge": "br1", "isDefaultGateway": True, "ipMasq": True, "ipam": POOL, **keys}


def plain_bridge():
    return {"type": "bridge", "bridge": "br1", "isGateway": True, "ipam": POOL}


def portmap(**keys):
    return {"type": "portmap", "runtimeConfig": {
        "portMappings": [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]}, **keys}


def service(**keys):
    return {"type": "service", "service": "web", "vip": ["10.1.0.250", "fd00:1::fa"], "publish": [{"hostPort": 8080, "port": 80}],
            "ports": [{"port": 80, "targetPort": 8080}, {"port": 53, "protocol": "udp"}], **keys}


def overlay(**keys):
    peer = {"vtep": "192.0.2.2"}
    if keys["mode"] == "l3":
        peer["subnet"] = "10.1.2.0/24"
    peers = [{"vtep": "192.0.2.1", **({"subnet": "10.1.1.0/24"} if keys["mode"] == "l3" else {})}, peer]
    return {"type": "overlay-vxlan", "vni": 7, "ipMasq": True, "network": "10.1.0.0/16",
            "controlPlane": {"type": "static", "peers": peers}, **keys}


# Beside networks and labels, a network that is never attached.
POLICY = {"log": True, "ingress": [{"from": {"network": "front"}, "ports": ["514", "8000-8100/tcp"]},
                                   {"from": {"label": "tier=web"}}], "egress": [{"to": {"cidr": "192.0.2.0/24"}}]}
PREFIXES = {"log": True, "ingress": [{"from": {"cidr": "192.0.2.0/24"}, "ports": ["514", "8000-8100/tcp"]}]}
LABELS = {"cni": {"labels": [{"key": "tier", "value": "web"}, {"key": "name", "value": "c1"}]}}


ROWS = [
    Row("bridge", bridge(isolation="network", backend="nftables")),
    Row("bridge-ipam", bridge(backend="nftables"), target="host-local"),
    Row("bridge-iptables", bridge(backend="iptables"), prepare=LEGACY),
    Row("bridge-neighbour", bridge(isolation="container", backend="nftables"), neighbour=True),
    Row("ptp", {"type": "ptp", "ipMasq": True, "backend": "nftables", "ipam": POOL}),
    Row("macvlan", {"type": "macvlan", "master": "lan0", "ipam": POOL}, prepare=LAN),
    Row("macvlan-host-access", {"type": "macvlan", "master": "lan0", "hostAccess": True, "ipam": {
        "type": "host-local", "subnet": "192.0.2.0/24", "rangeStart": "192.0.2.100"}}, prepare=LAN),
    Row("macvlan-policy", {"type": "macvlan", "master": "lan0", "policy": PREFIXES, "ipam": POOL}, prepare=LAN),
    Row("overlay-l3", overlay(mode="l3", ipam={"type": "host-local"}), prepare=LAN),
    Row("overlay-l2", overlay(mode="l2", ipam={"type": "host-local", "subnet": "10.1.0.0/16"}), prepare=LAN),
    Row("portmap", plain_bridge(), portmap(backend="nftables")),
    # DEL keeps the table for the masquerade rules, and removes what only published ports need.
    Row("portmap-masquerade", bridge(backend="nftables"), portmap(backend="nftables")),
    Row("portmap-floating", plain_bridge(), portmap(
        backend="nftables", floatingDevice="lan0", runtimeConfig={"floatingIPs": ["192.0.2.7", "2001:db8::7"]}), prepare=LAN),
    Row("portmap-iptables", plain_bridge(), portmap(backend="iptables"), prepare=LEGACY),
    Row("portmap-neighbour", plain_bridge(), portmap(backend="nftables"), neighbour=True),
    Row("firewall", plain_bridge(), {"type": "firewall", "backend": "nftables", "ingressPolicy": "same-bridge"}),
    Row("firewall-iptables", plain_bridge(), {"type": "firewall", "backend": "iptables"}, prepare=LEGACY),
    Row("bridge-policy", {**plain_bridge(), "policy": POLICY, "args": LABELS}),
    Row("firewall-policy", plain_bridge(), {"type": "firewall", "backend": "nftables", "policy": POLICY, "args": LABELS}),
    Row("firewall-policy-neighbour", plain_bridge(), {"type": "firewall", "backend": "nftables", "policy": POLICY},
        neighbour=True),
    Row("service", plain_bridge(), service()),
    Row("service-haproxy", plain_bridge(), service(engine="haproxy", ports=[{"port": 80, "targetPort": 8080}])),
    Row("service-haproxy-neighbour", plain_bridge(), service(engine="haproxy", ports=[{"port": 80, "targetPort": 8080}]),
        neighbour=True),
    Row("service-neighbour", plain_bridge(), service(scheduler="source", weight=0), neighbour=True),
    Row("overlay-policy", overlay(mode="l3", policy=POLICY, args=LABELS, ipam={"type": "host-local"}), prepare=LAN),
    Row("tuning", plain_bridge(), {
        "type": "tuning", "mtu": 1400, "mac": "02:00:00:00:00:07", "promisc": True, "txQLen": 500,
        "sysctl": {"net.ipv4.conf.IFNAME.arp_notify": "0", "net.ipv4.conf.IFNAME.send_redirects": "0"}}),
    Row("dns-hosts", plain_bridge(), {"type": "dns-hosts"}),
    Row("dns-hosts-neighbour", plain_bridge(), {"type": "dns-hosts", "dnsmasq": {"nameserver": "10.9.9.9"}}, neighbour=True),
    Row("dns-hosts-dnsmasq", plain_bridge(), {"type": "dns-hosts", "domain": "shop.test", "dnsmasq": {"run": True}}),
    Row("ipam-host-local", {"type": "host-local", "ipam": {**POOL, "sticky": True}}),
    Row("none", {"type": "none"}),
    Row("host", {"type": "host"}, namespace="/proc/1/ns/net"),
]
