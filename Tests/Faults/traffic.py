"""Packets that are sent without pause, and how many of each kind arrive where they are sent to."""

import json
import os
import socket
import struct
import subprocess
import threading
import time

from host import PATIENCE, Inside, shell

PORT = 4009
FIRST_SOURCE = 5001
SYN, WINDOW, NO_OFFSET = 2, 1024, 5 << 4


class Flow:
    """UDP datagrams and TCP SYNs from a namespace to an address; `container` has one of the two ends.

    `within`: the port of a tunnel whose packets contain these when they arrive. `hook`: where the receiver counts them.
    """

    def __init__(self, container, sender, source, receiver, destination, hook="prerouting", within=None):
        self.container, self.sender, self.receiver, self.hook, self.within = container, sender, receiver, hook, within
        self.source, self.destination = source, destination
        self.tried, self.sent = 0, 0

    def __str__(self):
        return f"{self.source} to {self.destination}"

    def open(self, port):
        """Opens the sockets in the sender's namespace, where they stay."""
        self.port = port
        family = socket.AF_INET6 if ":" in self.source else socket.AF_INET
        with Inside(f"/run/netns/{self.sender}"):
            self.udp = socket.socket(family, socket.SOCK_DGRAM)
            self.tcp = socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_TCP)
        self.udp.bind(("", port))
        # Without room in the socket's buffer, as behind an unanswered ARP request, the loop must go on.
        for sock in (self.udp, self.tcp):
            sock.setblocking(False)
        self.segment = segment(family, self.source, self.destination, port)

    def send(self):
        for sock, data, port in ((self.udp, b"x", PORT), (self.tcp, self.segment, 0)):
            self.tried += 1
            try:
                sock.sendto(data, (self.destination, port))
                self.sent += 1
            except OSError:
                pass  # no route yet, or the packet filter of the sender's own namespace drops it

    def rules(self):
        """Returns nft's rules that count what arrives."""
        if self.within:
            inner = f"udp dport {self.within} @th,400,16 {self.port}"  # the source port, after the VXLAN header
            return [(inner + f" @th,{at},8 {number}", name) for name, at, number in (("udp", 312, 17), ("tcp", 312, 6))]
        return [(f"{name} sport {self.port} {name} dport {PORT}", name) for name in ("udp", "tcp")]


def segment(family, source, destination, port):
    """Returns a TCP SYN with its checksum."""
    header = struct.pack("!HHIIBBHHH", port, PORT, 1, 0, NO_OFFSET, SYN, WINDOW, 0, 0)
    ends = socket.inet_pton(family, source) + socket.inet_pton(family, destination)
    words = ends + struct.pack("!II", socket.IPPROTO_TCP, len(header)) + header
    total = sum(struct.unpack(f"!{len(words) // 2}H", words))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return header[:16] + struct.pack("!H", ~total & 0xFFFF) + header[18:]


class Traffic:
    """All flows at once, from `with` to the end of its block."""

    def __init__(self, flows):
        self.flows, self.has_ended, self.tuned = flows, False, {"default", "lo"}
        for number, flow in enumerate(flows):
            flow.open(FIRST_SOURCE + number)
        for receiver in {flow.receiver for flow in flows}:
            self.count_in(receiver)
        self.thread = threading.Thread(target=self.send)

    def count_in(self, receiver):
        lines = []
        for hook in ("prerouting", "input"):
            lines.append(f"chain {hook} {{ type filter hook {hook} priority 300;")
            for flow in self.flows:
                if (flow.receiver, flow.hook) == (receiver, hook):
                    lines += [f'{rule} counter comment "{flow.port} {name}"' for rule, name in flow.rules()]
            lines.append("}")
        table = "table inet arrivals {\n" + "\n".join(lines) + "\n}"
        subprocess.run(["ip", "netns", "exec", receiver, "nft", "-f", "-"], input=table, text=True, check=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.has_ended = True
        self.thread.join()

    def send(self):
        while not self.has_ended:
            for link in set(os.listdir("/proc/sys/net/ipv6/neigh")) - self.tuned:
                self.tuned.add(link)
                ask_often(link)
            for flow in self.flows:
                flow.send()
            time.sleep(0.0002)

    def arrived(self):
        """Returns the number of packets that arrived, by (port, protocol)."""
        counts = {}
        for receiver in {flow.receiver for flow in self.flows}:
            text = shell(f"ip netns exec {receiver} nft -j list table inet arrivals")
            for item in json.loads(text)["nftables"]:
                if "comment" in (rule := item.get("rule", {})):
                    port, protocol = rule["comment"].split()
                    counts[int(port), protocol] = next(
                        part["counter"]["packets"] for part in rule["expr"] if "counter" in part)
        return counts

    def lines(self, flows, before, after):
        """Yields a line for each kind of packet of these flows that arrived between two results of `arrived`."""
        for flow in flows:
            for name in ("udp", "tcp"):
                if number := after[flow.port, name] - before[flow.port, name]:
                    yield f"{number} packets arrived: {name} from {flow}"

    def go_on(self, rounds=200):
        """Waits until each flow has been sent that many times more."""
        wanted = [flow.tried + 2 * rounds for flow in self.flows]
        wait_until(lambda: all(flow.tried >= number for flow, number in zip(self.flows, wanted)))

    def missing(self, flows):
        """Waits until packets of all these flows arrive; returns lines about those that do not."""
        since = self.arrived()

        def absent():
            now = self.arrived()
            return [f"no packets arrive: {name} from {flow}" for flow in flows for name in ("udp", "tcp")
                    if now[flow.port, name] == since[flow.port, name]]
        wait_until(lambda: not absent(), 20)
        return absent()


def ask_often(link):
    """Shortens the time between two requests for a neighbour, so that packets arrive as soon as an interface is up."""
    for family in ("ipv4", "ipv6"):
        for key, value in (("retrans_time_ms", 10), ("mcast_solicit", 100)):
            try:
                with open(f"/proc/sys/net/{family}/neigh/{link}/{key}", "w") as file:
                    file.write(str(value))
            except OSError:
                pass  # the link is gone, or has no IPv6


def wait_until(holds, seconds=PATIENCE):
    end = time.monotonic() + seconds
    while not holds() and time.monotonic() < end:
        time.sleep(0.01)
