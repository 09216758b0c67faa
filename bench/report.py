"""The results as a table, and whether they reach the limits."""

DOCUMENT = """# Benchmarks

`sudo make bench` compares these plugins with the reference plugins of Debian's `containernetworking-plugins`
(`PEER=DIR` takes others) and with `bench/floor.c`, a C program that makes the kernel calls of one attachment with libnl,
writes the file of its lease, and does nothing else. All run in turns in the same network namespace; the ratios are those of medians, below 1 is
better. Process start and exit are part of every measurement. ADD and DEL of `bridge` include IPAM.

"""

FLOOD = "The kernel hands every broadcast, the announcement of a new address too, to each port of the bridge."


class Report:
    def __init__(self, results, sizes, executables, attachments, bridges, pools, together):
        self.results, self.sizes, self.executables = results, sizes, executables
        self.presence = {
            "none": "no attachment present",
            "many": f"{attachments:,} present on {bridges} bridges",
            "crowd": f"{attachments:,} present on its bridge",
        }
        self.pools, self.together = pools, together

    def value(self, measure, who):
        if measure == "size":
            return self.sizes.get(who)
        if measure.startswith("memory-"):
            return self.results.memory.get((measure.removeprefix("memory-"), who))
        return self.results.median(measure, who)

    def ratio(self, measure, other, who="ours"):
        mine, theirs = self.value(measure, who), self.value(measure, other)
        return mine / theirs if mine and theirs else None

    def measures(self):
        yield "VERSION", "start: VERSION"
        for verb in ("ADD", "DEL"):
            for presence, words in self.presence.items():
                yield f"{verb}-{presence}", f"bridge and IPAM {verb}, {words}"
        for verb in ("ADD", "DEL"):
            for size in self.pools:
                yield f"IPAM-{verb}-{size}", f"IPAM alone {verb}, {size:,} leases"
        yield "together", f"{self.together} ADDs at once, until the last ends"
        yield "memory-ADD", "peak memory of bridge ADD"
        yield "memory-IPAM", "peak memory of the IPAM plugin"
        yield "size", "installed size: bridge, IPAM, loopback"

    def amount(self, measure, who):
        value = self.value(measure, who)
        if value is None:
            return ""
        if measure == "size":
            return f"{value / 1e6:.1f} MB"
        return f"{value / 1024:.1f} MiB" if measure.startswith("memory-") else f"{value / 1000:.2f} ms"

    def table(self, absolute):
        heads = ["", *(["ours", "reference", "floor"] if absolute else []), "ours / reference", "ours / floor"]
        rows = [heads, ["---"] + ["---:"] * (len(heads) - 1)]
        for measure, title in self.measures():
            amounts = [self.amount(measure, who) for who in ("ours", "peer", "floor")] if absolute else []
            ratios = [self.ratio(measure, other) for other in ("peer", "floor")]
            rows.append([title, *amounts, *("" if ratio is None else f"{ratio:.2f}" for ratio in ratios)])
        return "\n".join("| " + " | ".join(row) + " |" for row in rows)

    def promises(self):
        """Yields the required limits: text, value, limit."""
        small, large = self.pools[0], self.pools[-1]
        yield "VERSION / static C program that does nothing", self.ratio("VERSION", "hello"), 1.35
        yield "VERSION / reference", self.ratio("VERSION", "peer"), 0.3
        yield "bridge and IPAM ADD / reference", self.ratio("ADD-none", "peer"), 0.3
        yield "bridge and IPAM ADD / floor", self.ratio("ADD-none", "floor"), 1.6
        yield "bridge and IPAM DEL / floor", self.ratio("DEL-none", "floor"), 1.1
        for verb in ("ADD", "DEL"):
            for presence in ("many", "crowd"):
                growth = self.growth(verb, presence, "ours") / self.growth(verb, presence, "floor")
                yield f"{verb}, {self.presence[presence]} / none, compared with the floor", growth, 1.1
        for verb in ("ADD", "DEL"):
            mine = [self.value(f"IPAM-{verb}-{size}", "ours") for size in (large, small)]
            yield f"IPAM {verb} at {large:,} leases / at {small}", mine[0] / mine[1], 1.5
        peak = max(self.value(f"memory-{what}", "ours") for what in ("ADD", "IPAM", "DEL", "VERSION"))
        yield "peak memory of bridge and IPAM in MiB", peak / 1024, 4
        yield "peak memory of dns-hosts, 1,000 members, in MiB", self.value("memory-names", "ours") / 1024, 4
        plugins = [size for name, size in self.executables.items() if name != "swift-cni-dynamic"]
        yield "largest plugin in MB", max(plugins) / 1e6, 2.5
        yield f"all {len(plugins)} plugins and swift-cni-dynamic in MB", sum(self.executables.values()) / 1e6, 35

    def musl(self):
        """Returns what the table would be if the C programs were linked with musl too."""
        start = self.value("VERSION", "hello") - self.value("VERSION", "hello-musl")
        ratios = [self.value(f"{verb}-none", "ours") / (self.value(f"{verb}-none", "floor") - start) for verb in ("ADD", "DEL")]
        return ("The C programs above are linked with glibc, the plugins with musl, which starts sooner. Compared with a program "
                f"that does nothing and is linked with musl, VERSION is {self.ratio('VERSION', 'hello-musl'):.2f}; compared "
                f"with the floor without the start of glibc, ADD is {ratios[0]:.2f} and DEL {ratios[1]:.2f}.")

    def growth(self, verb, presence, who):
        """Returns the ratio between the value with attachments present and without any."""
        return self.value(f"{verb}-{presence}", who) / self.value(f"{verb}-none", who)

    def verdicts(self):
        rows = [["must reach", "at most", "is", ""], ["---", "---:", "---:", "---"]]
        for words, value, limit in self.promises():
            rows.append([words, f"{limit}", f"{value:.2f}", "reached" if value <= limit else "**not reached**"])
        floor = [f"{verb} {self.growth(verb, presence, 'floor'):.2f}" for verb in ("ADD", "DEL") for presence in ("many", "crowd")]
        note = f"""The floor grows itself: {', '.join(floor)} on 10 bridges and on one. {FLOOD}

{self.musl()}"""
        return "\n".join("| " + " | ".join(row) + " |" for row in rows) + f"\n\n{note}"

    def text(self, absolute):
        return f"{self.table(absolute)}\n\n{self.verdicts()}\n"

    def document(self):
        return DOCUMENT + self.text(absolute=False)
