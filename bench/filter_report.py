"""The results of the packet filter as a table, and whether they reach the limits."""

from filter import BACKENDS, MANY_PORTS, PRESENT

INTRODUCTION = f"""## Packet filter

The whole chain: `bridge` with `ipMasq`, IPAM, `portmap`, `firewall`. The backend `nftables` stands beside the reference
with the `iptables` that writes nf_tables, the backend `iptables` (libiptc) beside it with `iptables-legacy`. Every
contestant has a host of its own, a network namespace, for each number of containers; their rules are those that the
plugins made for one, multiplied and loaded, and confirmed by the plugins' CHECK. The floor is `bench/floor.c` in the place
of each plugin: it makes the attachment and the elements of its rules, in a table with one base chain of each kind.
Connections are opened one after the other, from another host, to the port that was published last, in many short attempts
of which the best counts; above 1 is better there.

"""

BOTH = {backend: limits for backend, limits in zip(BACKENDS, ((0.12, 0.02), (0.25, 0.10)))}


class FilterReport:
    def __init__(self, results):
        self.results = results

    def ratio(self, measure, backend, other="peer"):
        return self.results.value(measure, "ours", backend) / self.results.value(measure, other, backend)

    def growth(self, measure, backend, who="ours"):
        """Returns the ratio between the value with the most containers' rules present and without any."""
        def value(present):
            return self.results.value(f"{measure}-{present}", who, backend)
        return value(PRESENT[-1]) / value(PRESENT[0])

    def measures(self):
        for verb in ("ADD", "DEL"):
            for present in PRESENT:
                yield f"{verb}-{present}", f"chain {verb}, {present:,} containers' rules present"
        for verb in ("ADD", "DEL"):
            yield f"{verb}-ports", f"chain {verb}, {MANY_PORTS} ports of one container"
        for present in (PRESENT[0], PRESENT[-1]):
            yield f"rate-{present}", f"connections per second, {present:,} other ports published"

    def amount(self, measure, who, backend):
        value = self.results.value(measure, who, backend)
        return f"{value:.0f}" if measure.startswith("rate") else f"{value / 1000:.2f} ms"

    def table(self, absolute):
        heads = [""]
        for backend in BACKENDS:
            if absolute:
                heads += [f"{backend}: ours", f"{backend}: reference"]
            heads.append(f"{backend}: ours / reference")
        rows = [heads, ["---"] + ["---:"] * (len(heads) - 1)]
        for measure, title in self.measures():
            row = [title]
            for backend in BACKENDS:
                if absolute:
                    row += [self.amount(measure, who, backend) for who in ("ours", "peer")]
                row.append(f"{self.ratio(measure, backend):.3f}")
            rows.append(row)
        return "\n".join("| " + " | ".join(row) + " |" for row in rows)

    def promises(self):
        """Yields the required limits: text, value, limit, whether it is a minimum."""
        for plugin in ("portmap", "firewall"):
            value = self.ratio(f"{plugin}-{PRESENT[0]}", "nftables")
            yield f"nftables: {plugin} ADD, no containers / reference", value, 0.08, False
        for backend, limits in BOTH.items():
            for present, limit in zip((PRESENT[0], PRESENT[-1]), limits):
                words = f"{backend}: chain ADD + DEL, {present:,} containers / reference"
                yield words, self.ratio(f"both-{present}", backend), limit, False
        most = f"{PRESENT[-1]:,}"
        yield f"nftables: chain ADD + DEL, {most} containers / none", self.growth("both", "nftables"), 1.3, False
        yield f"nftables: connections, {most} other ports published / none", self.growth("rate", "nftables"), 0.9, True

    def verdicts(self):
        rows = [["must reach", "limit", "is", ""], ["---", "---:", "---:", "---"]]
        for words, value, limit, is_lowest in self.promises():
            reached = value >= limit if is_lowest else value <= limit
            sign = "at least" if is_lowest else "at most"
            rows.append([words, f"{sign} {limit}", f"{value:.3f}", "reached" if reached else "**not reached**"])
        theirs = [f"{backend}: chain {self.growth('both', backend, 'peer'):.2f}, connections "
                  f"{self.growth('rate', backend, 'peer'):.2f}" for backend in BACKENDS]
        note = f"The reference with {PRESENT[-1]:,} containers, compared with none: {'; '.join(theirs)}."
        return "\n".join("| " + " | ".join(row) + " |" for row in rows) + f"\n\n{note}"

    def floor(self, absolute):
        """Returns the table of chains compared with the C floor, which makes the same attachment and elements."""
        rows = [["nftables", *(["ours", "floor"] if absolute else []), "ours / floor"]]
        for verb in ("ADD", "DEL"):
            for present in (PRESENT[0], PRESENT[-1]):
                measure = f"{verb}-{present}"
                amounts = [self.amount(measure, who, "nftables") for who in ("ours", "floor")] if absolute else []
                rows.append([f"chain {verb}, {present:,} containers' rules present", *amounts,
                             f"{self.ratio(measure, 'nftables', 'floor'):.2f}"])
        rows.insert(1, ["---"] + ["---:"] * (len(rows[0]) - 1))
        return "\n".join("| " + " | ".join(row) + " |" for row in rows)

    def text(self, absolute):
        return f"{self.table(absolute)}\n\n{self.floor(absolute)}\n\n{self.verdicts()}\n"

    def document(self):
        return INTRODUCTION + self.text(absolute=False)
