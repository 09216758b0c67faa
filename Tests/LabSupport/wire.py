"""Prints a line for each frame that arrives at a link of this network namespace, until the program is killed.

Arguments: the link, and a FIFO to which a line is written when the capture has started. A line has the frame's VLAN or
`-`, its type, and the addresses of sender and receiver.
"""

import socket
import struct
import sys

AUXILIARY = 8  # PACKET_AUXDATA: the kernel takes tags off before a socket sees the frame
OUTGOING = 4  # PACKET_OUTGOING
ICMPV6 = {128: "icmp", 129: "icmp", 135: "ns", 136: "na"}


def described(data):
    kind, rest = struct.unpack("!H", data[12:14])[0], data[14:]
    if kind == 0x0806:
        return "arp", socket.inet_ntoa(rest[14:18]), socket.inet_ntoa(rest[24:28])
    if kind == 0x0800:
        return {1: "icmp"}.get(rest[9], "other"), socket.inet_ntoa(rest[12:16]), socket.inet_ntoa(rest[16:20])
    if kind == 0x86DD:
        what = ICMPV6.get(rest[40], "other") if rest[6] == 58 else "other"
        return what, socket.inet_ntop(socket.AF_INET6, rest[8:24]), socket.inet_ntop(socket.AF_INET6, rest[24:40])
    return "other", data[6:12].hex(":"), data[0:6].hex(":")


def main():
    link, ready = sys.argv[1:]
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    wire.setsockopt(263, AUXILIARY, 1)
    wire.bind((link, 3))
    with open(ready, "w") as file:
        file.write("ready\n")
    while True:
        data, extra, _, sender = wire.recvmsg(2000, 100)
        if sender[2] == OUTGOING:
            continue
        status, _, _, _, _, tag, _ = struct.unpack("@IIIHHHH", extra[0][2])
        print(tag & 0xFFF if status & 16 else "-", *described(data), flush=True)


main()
