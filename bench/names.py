"""Names: the time to join and to leave a network of `dns-hosts` that has members already."""

import json

from contestants import SCRATCH

MEMBERS = (10, 100, 1_000)
ROUNDS = 40
WITH, WITHOUT = "hosts", "no-hosts"
# The limit for one join with the most members.
MOST_MILLISECONDS = 60
MOST_GROWTH_WITHOUT = 1.3

INTRODUCTION = """## Names

`dns-hosts` alone, with a network that has members already. With hosts files a join writes one of its own and two lines
into each member's, and a leave takes them out again; with `"hosts": false` neither looks at the others. What is compared is
the time with 10 members.

"""


class Names:
    """Networks of containers without interfaces; the files are below /run, as for real containers."""

    def __init__(self, plugins):
        self.plugins = plugins

    def job(self, label, verb, kind, number):
        config = SCRATCH / f"names-{kind}-{number}.json"
        config.write_text(json.dumps({
            "cniVersion": "1.1.0", "name": kind, "type": "dns-hosts", "hosts": kind == WITH, "files": "dir",
            "dir": str(SCRATCH / "names-files"), "stateDir": str(SCRATCH / "names"), "resolvConf": False,
            "hostnameFile": False, "args": {"cni": {"name": f"container{number}"}},
            "prevResult": {
                "cniVersion": "1.1.0", "interfaces": [{"name": "eth0", "sandbox": "/run/netns/none"}],
                "ips": [{"interface": 0, "address": f"10.96.{number >> 8}.{number & 255}/16"}]}}))
        return self.plugins.call(label, "dns-hosts", verb, config, f"{kind}-{number}", "/run/netns/none")

    def measure(self, results):
        for kind in (WITH, WITHOUT):
            present = 0
            for members in MEMBERS:
                while present < members:
                    present += 1
                    results.run([self.job("names-fill", "ADD", kind, present)], keep=False)
                guest = MEMBERS[-1] + 1
                jobs = [self.job(f"names-{verb}-{kind}-{members}", verb, kind, guest) for verb in ("ADD", "DEL")]
                results.run(jobs * 2, keep=False)
                results.run(jobs * ROUNDS)


class NamesReport:
    """The results as a table, and whether they reach the limits."""

    def __init__(self, results):
        self.results = results

    def milliseconds(self, verb, kind, members):
        return self.results.median(f"names-{verb}-{kind}-{members}", "ours") / 1000

    def growth(self, verb, kind, members):
        return self.milliseconds(verb, kind, members) / self.milliseconds(verb, kind, MEMBERS[0])

    def table(self, absolute):
        heads = ["", *(["time"] if absolute else []), f"/ {MEMBERS[0]} members"]
        rows = [heads, ["---"] + ["---:"] * (len(heads) - 1)]
        for kind, title in ((WITH, "with hosts files"), (WITHOUT, 'with "hosts": false')):
            for verb in ("ADD", "DEL"):
                for members in MEMBERS:
                    amount = [f"{self.milliseconds(verb, kind, members):.2f} ms"] if absolute else []
                    rows.append([f"{verb} {title}, {members:,} members", *amount,
                                 f"{self.growth(verb, kind, members):.2f}"])
        return "\n".join("| " + " | ".join(row) + " |" for row in rows)

    def verdicts(self):
        most = MEMBERS[-1]
        rows = [["must reach", "at most", "is", ""], ["---", "---:", "---:", "---"]]
        for words, value, limit in (
                (f"ADD with hosts files, {most:,} members, in ms", self.milliseconds("ADD", WITH, most),
                 MOST_MILLISECONDS),
                (f'ADD with "hosts": false, {most:,} members / {MEMBERS[0]}', self.growth("ADD", WITHOUT, most),
                 MOST_GROWTH_WITHOUT)):
            rows.append([words, f"{limit}", f"{value:.2f}", "reached" if value <= limit else "**not reached**"])
        return "\n".join("| " + " | ".join(row) + " |" for row in rows)

    def text(self, absolute):
        return f"{self.table(absolute)}\n\n{self.verdicts()}\n"

    def document(self):
        return INTRODUCTION + self.text(absolute=False)
