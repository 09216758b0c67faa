"""The results of the overlay as tables, and whether they reach the limits."""

from overlay import PEERS, STREAM_BYTES, STREAM_ROUNDS
from sync import CHANGES_PER_SECOND, FEW, MANY, SECONDS

LEAST_THROUGHPUT = 0.97
MOST_LOAD, MOST_FIRST_SECONDS, MOST_GROWTH = 0.25, 0.5, 1.5
TITLES = {("ours", "l2"): "l2", ("ours", "l3"): "l3", ("open", "l3"): 'l3, "isolation": "none"'}

INTRODUCTION = f"""## Overlay

Two hosts with a container each, network namespaces on one wire, and `iperf3` between the containers: through
`overlay-vxlan` with static peers, isolated from other networks as it is by default, and through the same VXLAN made
with `ip` and `bridge`, without a packet filter; br_netfilter is off. They take turns, and of {STREAM_ROUNDS} transfers
of {STREAM_BYTES}B each the best counts; above 1 is better. Where packets are routed, isolation makes the kernel follow
each connection: half of what it costs, and more than the limit leaves, is that alone.

ADD and DEL are those of a host that knows so many peers from a file, `l3` and IPAM together. The first ADD makes their
neighbours, forwarding entries and routes; a later one finds them as they should be and writes only what is its own
container's. Messages that change something in the kernel are counted by strace, calls of etcd between it and the
plugins.

With etcd, one host's ADDs are measured while etcd has so many hosts, and `cnictl overlay sync --watch` on that host
while others come, go and change: {CHANGES_PER_SECOND} changes a second for {SECONDS} seconds. Its load is all the CPU
time for them in parts of one core; its delay is the time from the last change until the kernel has exactly what etcd
has.

"""


def lines(rows, numbers=1):
    """Returns a table in Markdown; the columns after the first `numbers` are right-aligned."""
    head = [rows[0], ["---"] * numbers + ["---:"] * (len(rows[0]) - numbers)]
    return "\n".join("| " + " | ".join(row) + " |" for row in [*head, *rows[1:]])


class OverlayReport:
    def __init__(self, results):
        self.results = results

    def streams(self, absolute):
        rows = [["one TCP stream", *(["ours", "by hand"] if absolute else []), "ours / by hand"]]
        for (who, mode), title in TITLES.items():
            amounts = [f"{self.results.stream(one, mode) / 1e9:.1f} Gbit/s" for one in (who, "hand")]
            rows.append([title, *(amounts if absolute else []), f"{self.results.throughput(who, mode):.2f}"])
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
        watch = [[f"the watch, {MANY:,} hosts, {CHANGES_PER_SECOND} changes a second", "load", "delay"],
                 ["`cnictl overlay sync --watch`", f"{sync.load:.0%} of a core", f"{sync.delay:.1f} s"]]
        return f"{lines(rows)}\n\n{lines(watch)}"

    def calls(self):
        rows = [["round trips to etcd", "calls", ""]]
        for done, calls in self.results.calls.items():
            words = ", ".join(f"{path} {count}" if count > 1 else path for path, count in sorted(calls.items()))
            rows.append([done, str(sum(calls.values())), words])
        return lines(rows).replace("---: | ---:", "---: | ---")

    def verdicts(self):
        rows = [["must reach", "limit", "is", ""]]
        for (who, mode), title in TITLES.items():
            value = self.results.throughput(who, mode)
            rows.append([f"{title}: throughput / by hand", f"at least {LEAST_THROUGHPUT}", f"{value:.2f}",
                         "reached" if value >= LEAST_THROUGHPUT else "**not reached**"])
        few, many = (self.results.changes["later", count] for count in (PEERS[0], PEERS[-1]))
        rows.append([f"a later ADD, changes with {PEERS[-1]:,} peers beyond those with {PEERS[0]}", "at most 0",
                     f"{many - few}", "reached" if many <= few else "**not reached**"])
        for title, limit, value in (
                (f"the watch with {MANY:,} hosts: parts of one core", MOST_LOAD, self.results.sync.load),
                (f"first ADD with {MANY:,} hosts in etcd, seconds", MOST_FIRST_SECONDS, self.results.sync.first[MANY]),
                (f"a later ADD with {MANY:,} hosts in etcd / with {FEW}", MOST_GROWTH,
                 self.results.sync.later[MANY] / self.results.sync.later[FEW])):
            rows.append([title, f"at most {limit}", f"{value:.2f}", "reached" if value <= limit else "**not reached**"])
        return lines(rows).replace("---: |\n", "--- |\n", 1)

    def text(self, absolute):
        return "\n\n".join([self.streams(absolute), self.peers(absolute), self.many(absolute), self.calls(),
                            self.verdicts()]) + "\n"

    def document(self):
        return INTRODUCTION + self.text(absolute=False)
