"""counting_proxy.py LISTEN PORT: passes TCP connections on, and counts the HTTP requests in them.

It listens at LISTEN (ADDRESS:PORT) and connects to PORT of 127.0.0.1. For each line of standard input it
prints the paths of all POST requests since the previous line, as a JSON list.
"""

import json
import re
import selectors
import socket
import sys

REQUEST = re.compile(rb"POST (/\S+) HTTP/1\.[01]\r\n")
# The longest part of a request's first line that may be at the end of the previous bytes.
LONGEST = 100


class Proxy:
    def __init__(self, address, port):
        self.selector, self.paths, self.port = selectors.DefaultSelector(), [], port
        listener = socket.create_server(address)
        self.selector.register(listener, selectors.EVENT_READ, lambda: self.accept(listener))
        self.selector.register(sys.stdin, selectors.EVENT_READ, self.tell)

    def accept(self, listener):
        client, _ = listener.accept()
        server = socket.create_connection(("127.0.0.1", self.port))
        for one in (client, server):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        seen = bytearray()
        self.selector.register(client, selectors.EVENT_READ, lambda: self.move(client, server, seen))
        self.selector.register(server, selectors.EVENT_READ, lambda: self.move(server, client, None))

    def move(self, source, target, seen):
        try:
            data = source.recv(65536)
        except ConnectionResetError:
            data = b""
        if not data:
            for one in (source, target):
                self.selector.unregister(one)
                one.close()
            return
        if seen is not None:
            seen += data
            found = list(REQUEST.finditer(seen))
            self.paths += [match.group(1).decode() for match in found]
            del seen[:max(found[-1].end() if found else 0, len(seen) - LONGEST)]
        target.sendall(data)

    def tell(self):
        if not sys.stdin.readline():
            sys.exit()
        print(json.dumps(self.paths), flush=True)
        self.paths = []

    def run(self):
        while True:
            # Requests before standard input: they must be counted when the counts are requested.
            for key, _ in sorted(self.selector.select(), key=lambda ready: ready[0].fileobj is sys.stdin):
                if key.fd in self.selector.get_map():
                    key.data()


address, _, port = sys.argv[1].rpartition(":")
Proxy((address, int(port)), int(sys.argv[2])).run()
