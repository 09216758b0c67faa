"""The C floor of a whole chain: an attachment to a bridge, and the batches to nf_tables of each plugin's rules."""

import subprocess

from contestants import BUILT, SCRATCH, job
from ruleset import run_in

BRIDGE, GATEWAY, ADDRESS, KEPT = "chain0", "10.99.0.1", "10.99.0.2", "10.99.0.3"
CONTAINER_PORT, KEPT_PORT = 80, 30000


class FloorChain:
    """`bench/floor.c` in the place of `bridge`, `portmap` and `firewall`, while the elements of `present` containers exist.

    With none, the first plugin makes the table and the last one deletes it.
    """

    who, backend = "floor", "nftables"

    def __init__(self, present):
        self.present, self.added = present, {}
        self.host, self.boxes = f"host-floor-{present}", [f"{box}-floor-{present}" for box in ("box", "kept")]
        self.leases = SCRATCH / f"leases-floor-{present}"
        self.leases.mkdir()
        for namespace in (self.host, *self.boxes):
            subprocess.run(["ip", "netns", "add", namespace], check=True)
        batch = f"link add {BRIDGE} type bridge\naddress add {GATEWAY}/16 dev {BRIDGE}\nlink set {BRIDGE} up\nlink set lo up"
        subprocess.run(["ip", "-netns", self.host, "-batch", "-"], input=batch, text=True, check=True)
        self.runner = subprocess.Popen(["ip", "netns", "exec", self.host, BUILT / "runner", "serial"], text=True,
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        if present:
            self.attach(KEPT, self.boxes[1], KEPT_PORT, "table")
            self.fill(present)

    def close(self):
        self.runner.stdin.close()
        self.runner.wait()
        for namespace in (self.host, *self.boxes):
            subprocess.run(["ip", "netns", "delete", namespace], check=True)

    def fill(self, count):
        """Adds the elements of `count` containers."""
        addresses = [f"10.99.{1 + number // 250}.{1 + number % 250}" for number in range(count)]
        ports = [f"tcp . {KEPT_PORT + 2000 + number} : {address} . {CONTAINER_PORT}" for number, address in enumerate(addresses)]
        lists = (("masqueraded", addresses), ("admitted", addresses), ("ports", ports))
        commands = "".join(f"add element inet floor {name} {{ {', '.join(elements)} }}\n" for name, elements in lists)
        run_in(self.host)("nft", "-f", "-", input=commands)

    def call(self, *arguments):
        """Runs the program once; returns its microseconds."""
        line = job(f"floor-{self.present}", "/dev/null", [], BUILT / "floor", *arguments)
        self.runner.stdin.write(line + "\n")
        self.runner.stdin.flush()
        _, microseconds, _, status = self.runner.stdout.readline().split("\t")
        if status.strip() != "0":
            raise SystemExit(f"floor {' '.join(map(str, arguments))}: status {status.strip()}")
        return float(microseconds)

    def attach(self, address, box, port, rules):
        return sum((
            self.call("add", f"/run/netns/{box}", "eth0", f"to-{address}", BRIDGE, f"{address}/16", GATEWAY, 1500, self.leases,
                      rules),
            self.call("publish", "add", address, port, CONTAINER_PORT), self.call("admit", "add", address)))

    def once(self, ports):
        """Runs ADD and DEL of a container with one port; returns their microseconds."""
        port, = ports
        rules = "element" if self.present else "table"
        return self.attach(ADDRESS, self.boxes[0], port, rules), sum((
            self.call("admit", "del", ADDRESS), self.call("publish", "del", ADDRESS, port, CONTAINER_PORT),
            self.call("del", f"to-{ADDRESS}", self.leases / ADDRESS, rules)))
