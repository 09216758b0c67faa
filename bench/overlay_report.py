"""The results of the overlay as tables, and whether they reach the limits."""

import statistics

from overlay import PEERS
from packets import BYTES, ROUNDS
from sync import CHANGES_PER_SECOND, FEW, MANY, SECONDS

LEAST_PACKETS = 0.9
MOST_LOAD, MOST_FIRST_SECONDS, MOST_GROWTH, MOST_LABEL_SECONDS = 0.25, 0.5, 1.5, 1
TITLES = {("ours", "l2"): "l2", ("ours", "l3"): "l3", ("open", "l3"): 'l3, "isolation": "none"',
          ("tracked", "l3"): "l3 by hand, with one rule that needs connection tracking"}

INTRODUCTION = f"""## Overlay

Two hosts with a container each, network namespaces on one wire, and `iperf3` between the containers: through
`overlay-vxlan` with static peers, isolated from other networks as it is by default, and through the same VXLAN made
with `ip` and `bridge`, without a packet filter; br_netfilter is off. They take turns, and of {ROUNDS} transfers of
{BYTES}B and as many attempts to open connections, one after the other, the best counts; above 1 is better. Where packets
are routed, isolation makes the kernel follow each connection. What that alone costs is the last line: no rules can be
faster, see [decision 19](decisions/0019-base-chains-only-while-needed.md).

ADD and DEL are those of a host that knows so many peers from a file, `l3` and IPAM together. The first ADD makes their
neighbours, forwarding entries and routes; a later one finds them as they should be and writes only what is its own
container's. Messages that change something in the kernel are counted by strace, calls of etcd between it and the
plugins.

With etcd, one host's ADDs are measured while etcd has so many hosts, and `cnictl overlay sync --watch` on that host
while others come, go and change: {CHANGES_PER_SECOND} changes a second for {SECONDS} seconds. Its load is all the CPU
time for them in parts of one core; its delay is the time from the last change until the kernel has exactly what etcd
has. Afterwards a [label](policies.md) of a container on another host is written and deleted in etcd again and again, and
the time counts until the host's policy has it, or has it no more.

"""


def lines(rows, numbers=1):
    """Returns a table in Markdown; the columns after the first `numbers` are right-aligned."""
    head = [rows[0], ["---"] * numbers + ["---:"] * (len(rows[0]) - numbers)]
    return "\n".join("| " + " | ".join(row) + " |" for row in [*head, *rows[1:]])


class OverlayReport:
    def __init__(self, results):
        self.results = results

    def packets(self, absolute):
        columns = ["one TCP stream", "connections per second"]
        rows = [["ours / by hand", *columns, *(columns if absolute else [])]]
        for (who, mode), title in TITLES.items():
            bits, connections = self.results.packets[who, mode]
            amounts = [f"{bits / 1e9:.1f} Gbit/s", f"{connections:,.0f}"] if absolute else []
            rows.append([title, *(f"{ratio:.2f}" for ratio in self.results.packet_ratios(who, mode)), *amounts])
        return lines(rows)

    def growth(self, measure, count):
        return self.results.median(f"{measure}-{count}") / self.results.median(f"{measure}-{PEERS[0]}")

    def peers(self, absolute):
        rows = [["", *(["time"] if absolute else []), f"/ {PEERS[0]} peers", "changes"]]
        for measure, title in (("first", "first ADD"), ("ADD", "a later ADD"), ("DEL", "DEL")):
            for count in PEERS:
                amount = [f"{self.results.median(f'{measure}-{count}') / 1000:.2f} ms"] if absolute else []
                which = {"first": "first", "ADD": "later"}.get(measure)
                changes = f"{self.results.changes[which, count]:,}" if which else ""
                rows.append([f"{title}, {count:,} peers", *amount, f"{self.growth(measure, count):.2f}", changes])
        return lines(rows)

    def many(self, absolute):
        sync = self.results.sync
        rows = [["hosts in etcd", *(["time"] if absolute else []), f"/ {FEW} hosts"]]
        for times, title in ((sync.first, "first ADD"), (sync.later, "a later ADD")):
            for count, seconds in times.items():
                amount = [f"{seconds * 1000:.2f} ms"] if absolute else []
                rows.append([f"{title}, {count:,} hosts", *amount, f"{seconds / times[FEW]:.2f}"])
        watch = [[f"the watch, {MANY:,} hosts, {CHANGES_PER_SECOND} changes a second", "load", "delay", "a label's median"],
                 ["`cnictl overlay sync --watch`", f"{sync.load:.0%} of a core", f"{sync.delay:.1f} s",
                  f"{statistics.median(sync.labels):.2f} s"]]
        return f"{lines(rows)}\n\n{lines(watch)}"

    def calls(self):
        rows = [["round trips to etcd", "calls", ""]]
        for done, calls in self.results.calls.items():
            words = ", ".join(f"{path} {count}" if count > 1 else path for path, count in sorted(calls.items()))
            rows.append([done, str(sum(calls.values())), words])
        return lines(rows).replace("---: | ---:", "---: | ---")

    def verdicts(self):
        rows = [["must reach", "limit", "is", ""]]
        for words, value in zip(("one TCP stream", "connections"), self.results.packet_ratios("ours", "l3")):
            rows.append([f"l3: {words} / by hand", f"at least {LEAST_PACKETS}", f"{value:.2f}",
                         "reached" if value >= LEAST_PACKETS else "**not reached**"])
        few, many = (self.results.changes["later", count] for count in (PEERS[0], PEERS[-1]))
        rows.append([f"a later ADD, changes with {PEERS[-1]:,} peers beyond those with {PEERS[0]}", "at most 0",
                     f"{many - few}", "reached" if many <= few else "**not reached**"])
        for title, limit, value in (
                (f"the watch with {MANY:,} hosts: parts of one core", MOST_LOAD, self.results.sync.load),
                (f"first ADD with {MANY:,} hosts in etcd, seconds", MOST_FIRST_SECONDS, self.results.sync.first[MANY]),
                (f"a later ADD with {MANY:,} hosts in etcd / with {FEW}", MOST_GROWTH,
                 self.results.sync.later[MANY] / self.results.sync.later[FEW]),
                ("the slowest label until a policy has it, seconds", MOST_LABEL_SECONDS, max(self.results.sync.labels))):
            rows.append([title, f"at most {limit}", f"{value:.2f}", "reached" if value <= limit else "**not reached**"])
        return lines(rows).replace("---: |\n", "--- |\n", 1)

    def text(self, absolute):
        return "\n\n".join([self.packets(absolute), self.peers(absolute), self.many(absolute), self.calls(),
                            self.verdicts()]) + "\n"

    def document(self):
        return INTRODUCTION + self.text(absolute=False)
