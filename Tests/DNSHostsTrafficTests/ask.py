"""ask.py udp|tcp SERVER NAME A|AAAA|PTR WANTED: queries a name server until the answer is WANTED, at most five seconds.

Prints the last answer: sorted addresses or names, or NXDOMAIN, NODATA, REFUSED, silence.
"""

import ipaddress
import socket
import struct
import sys
import time

KINDS = {"A": 1, "AAAA": 28, "PTR": 12}
RCODES = {2: "SERVFAIL", 3: "NXDOMAIN", 5: "REFUSED"}


def question(name, kind):
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return struct.pack(">HHHHHH", 77, 0x100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">HH", KINDS[kind], 1)


def exchange(transport, server, message):
    family = socket.AF_INET6 if ":" in server else socket.AF_INET
    stream = transport == "tcp"
    with socket.socket(family, socket.SOCK_STREAM if stream else socket.SOCK_DGRAM) as asking:
        asking.settimeout(1)
        asking.connect((server, 53))
        asking.sendall(struct.pack(">H", len(message)) + message if stream else message)
        answer = asking.recv(65535)
        return answer[2:] if stream else answer


def name_at(message, offset):
    """Returns the name at `offset`, and the offset after it."""
    labels, end = [], None
    while message[offset]:
        if message[offset] >= 192:
            end = end or offset + 2
            offset = (message[offset] & 63) << 8 | message[offset + 1]
        else:
            labels.append(message[offset + 1:offset + 1 + message[offset]].decode())
            offset += 1 + message[offset]
    return ".".join(labels), end or offset + 1


def meaning(message):
    if message[3] & 15:
        return RCODES.get(message[3] & 15, str(message[3] & 15))
    offset, found = name_at(message, 12)[1] + 4, []
    for _ in range(struct.unpack(">H", message[6:8])[0]):
        offset = name_at(message, offset)[1]
        kind, _, _, size = struct.unpack(">HHIH", message[offset:offset + 10])
        offset += 10
        if kind == KINDS["PTR"]:
            found.append(name_at(message, offset)[0])
        elif kind in KINDS.values():
            found.append(str(ipaddress.ip_address(message[offset:offset + size])))
        offset += size
    return " ".join(sorted(found)) or "NODATA"


def main():
    transport, server, name, kind, wanted = sys.argv[1:]
    end = time.monotonic() + 5
    while True:
        try:
            answer = meaning(exchange(transport, server, question(name, kind)))
        except OSError:
            answer = "silence"
        if answer == wanted or time.monotonic() > end:
            print(answer)
            return
        time.sleep(0.02)


main()
