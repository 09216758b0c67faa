"""Runs servers and sends probes in many network namespaces at the same time.

Standard input: {"servers": [{"namespace", "name", "transport", "port", "group"}],
"probes": [{"namespace", "source", "to", "port", "transport", "patience", "size"}]}: a namespace as a path, a patience in
seconds, a size as the bytes of a ping's payload; a ping with a size must not be fragmented.
A server answers with its name and the client's address and port. A socket stays in the namespace in which it was made,
so one thread is enough. Standard output: for each probe [name, seen address, seen port, own port] or [error].
"""

import ctypes
import errno
import ipaddress
import json
import os
import selectors
import socket
import struct
import sys
import time

LIBC = ctypes.CDLL(None, use_errno=True)
SELECTOR = selectors.DefaultSelector()
ASK_AGAIN = 0.25


def enter(path):
    with open(path) as file:
        if LIBC.setns(file.fileno(), 0x40000000):
            raise OSError(ctypes.get_errno(), path)


def plain(address):
    return address.removeprefix("::ffff:").split("%")[0]


class Server:
    def __init__(self, wanted):
        enter(wanted["namespace"])
        self.name = wanted["name"]
        self.is_tcp = wanted["transport"] == "tcp"
        self.socket = socket.socket(socket.AF_INET6, socket.SOCK_STREAM if self.is_tcp else socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        self.socket.bind(("::", wanted["port"]))
        if self.is_tcp:
            self.socket.listen(64)
        else:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        group = wanted.get("group")
        if group:
            index = struct.pack("@i", socket.if_nametoindex("eth0"))
            raw = ipaddress.ip_address(group).packed
            if len(raw) == 4:
                self.socket.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, raw + bytes(4) + index)
            else:
                self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, raw + index)
        SELECTOR.register(self.socket, selectors.EVENT_READ, self.ready)

    def answer(self, peer):
        return json.dumps([self.name, plain(peer[0]), peer[1]]).encode()

    def ready(self, _):
        if self.is_tcp:
            connection, peer = self.socket.accept()
            try:
                connection.sendall(self.answer(peer))
            finally:
                connection.close()
        else:
            _, [(level, kind, info)], _, peer = self.socket.recvmsg(100, 100)
            address = ipaddress.IPv6Address(info[:16])
            is_group = (address.ipv4_mapped or address).is_multicast
            # The answer must come from the address to which the request was sent.
            source = [] if is_group else [(level, kind, info[:16] + bytes(4))]
            self.socket.sendmsg([self.answer(peer)], source, 0, peer)


class Probe:
    def __init__(self, wanted):
        self.wanted, self.outcome, self.received = wanted, None, b""
        self.socket, self.is_registered = None, False
        self.transport, self.to = wanted["transport"], (wanted["to"], wanted["port"])
        self.is_v6 = ":" in wanted["to"]
        self.size = wanted.get("size") or 0
        self.is_multicast = ipaddress.ip_address(wanted["to"]).is_multicast
        try:
            enter(wanted["namespace"])
            self.open(socket.AF_INET6 if self.is_v6 else socket.AF_INET)
        except OSError as error:
            self.failed(error)

    def open(self, family):
        protocol = 0
        if self.transport == "ping":
            protocol = socket.IPPROTO_ICMPV6 if self.is_v6 else socket.IPPROTO_ICMP
        kind = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM, "ping": socket.SOCK_RAW}[self.transport]
        self.socket = socket.socket(family, kind, protocol)
        self.socket.setblocking(False)
        if self.wanted.get("source"):
            self.socket.bind((self.wanted["source"], 0))
        if self.size:  # IP_MTU_DISCOVER, IPV6_MTU_DISCOVER: don't fragment, and ignore the path MTU
            level, option = (socket.IPPROTO_IPV6, 23) if self.is_v6 else (socket.IPPROTO_IP, 10)
            self.socket.setsockopt(level, option, 3)
        if self.transport == "tcp":
            problem = self.socket.connect_ex(self.to)
            if problem not in (0, errno.EINPROGRESS):
                raise OSError(problem, os.strerror(problem))
        elif self.is_multicast:
            if self.is_v6:
                self.socket.setsockopt(
                    socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, socket.if_nametoindex("eth0"))
        else:
            self.socket.connect(self.to if self.transport == "udp" else (self.to[0], 0))
        SELECTOR.register(self.socket, selectors.EVENT_READ, self.ready)
        self.is_registered = True
        self.ask()

    def ask(self):
        if self.outcome is not None or self.transport == "tcp":
            return
        try:
            if self.transport == "ping":
                self.socket.send(self.echo())
            elif self.is_multicast:
                self.socket.sendto(b"?", self.to)
            else:
                self.socket.send(b"?")
        except OSError as error:
            self.failed(error)

    def echo(self):
        """An echo request; the kernel fills in the checksum of IPv6's only."""
        number = self.socket.fileno()
        if self.is_v6:
            return struct.pack("!BBHHH", 128, 0, 0, number, 1) + bytes(self.size)
        return struct.pack("!BBHHH", 8, 0, 0xFFFF - (0x0800 + number + 1), number, 1) + bytes(self.size)

    def ready(self, _):
        try:
            data = self.socket.recv(65536)
        except BlockingIOError:
            return
        except OSError as error:
            self.failed(error)
            return
        if self.transport == "ping":
            reply = data if self.is_v6 else data[20:]
            number = struct.pack("!H", self.socket.fileno())
            if reply[0] == (129 if self.is_v6 else 0) and reply[4:6] == number and len(reply) == 8 + self.size:
                self.finish([self.to[0], "", 0, 0])
            return
        self.received += data
        if self.transport == "udp" or not data:
            if self.received:
                self.finish(json.loads(self.received) + [self.socket.getsockname()[1]])
            else:
                self.finish(["closed"])

    def failed(self, error):
        self.finish([errno.errorcode.get(error.errno, str(error))])

    def finish(self, outcome):
        if self.outcome is None:
            self.outcome = outcome
        if self.is_registered:
            SELECTOR.unregister(self.socket)
            self.is_registered = False
        if self.socket:
            self.socket.close()


def main():
    work = json.load(sys.stdin)
    servers = [Server(server) for server in work["servers"]]
    probes = [Probe(probe) for probe in work["probes"]]
    asked = begun = time.monotonic()  # sending many probes may take longer than one probe's patience
    while any(probe.outcome is None for probe in probes):
        for key, _ in SELECTOR.select(0.05):
            key.data(key)
        now = time.monotonic()
        if now - asked > ASK_AGAIN:
            asked = now
            for probe in probes:
                probe.ask()
        for probe in probes:
            if probe.outcome is None and now > begun + probe.wanted["patience"]:
                probe.finish(["silence"])
    for server in servers:
        server.socket.close()
    json.dump([probe.outcome for probe in probes], sys.stdout)


main()
