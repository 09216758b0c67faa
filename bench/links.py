"""Links without a bridge: macvlan, and ptp with and without ipMasq, each with IPAM."""

import json
import subprocess

from chain import programs
from contestants import SCRATCH

MASTER = "bench-lan"
PTP = {"type": "ptp"}
# The reference makes its rules with `iptables-nft`.
MASQUERADING = {"type": "ptp", "ipMasq": True, "ipMasqBackend": "nftables"}
LINKS = {
    "macvlan": ("macvlan and IPAM", {"type": "macvlan", "master": MASTER}),
    "ptp": ("ptp and IPAM", PTP),
    "ptp_ipMasq": ("ptp with ipMasq and IPAM", MASQUERADING),
}
WARM_UP, ROUNDS = 3, 50
MOST = {"macvlan": 0.35, "ptp": 0.35, "ptp_ipMasq": 0.35}

INTRODUCTION = """## Links without a bridge

With no attachment present. The rules of `ipMasq` are those of the backend `nftables` beside those that the reference
makes with the `iptables` that writes nf_tables.

"""


def check_present(plugins):
    """Ends with a message if one of the plugins is missing."""
    for one in plugins:
        for _, keys in LINKS.values():
            if not (one.directory / keys["type"]).exists():
                raise SystemExit(f"no {one.directory / keys['type']}: links without a bridge are measured with it")


def jobs(one, link, namespace):
    """Returns the jobs for ADD and DEL of one container."""
    _, keys = LINKS[link]
    one.count += 1
    config = SCRATCH / f"{one.name}-{link}.json"
    config.write_text(json.dumps({
        "cniVersion": "1.0.0", "name": link, **keys,
        "ipam": {"type": "host-local", "dataDir": str(one.leases), "ranges": [[{"subnet": "10.97.0.0/16"}]],
                 "routes": [{"dst": "0.0.0.0/0"}]}}))
    path = f"PATH={programs('nftables')}"
    return [one.call(f"{link}-{verb}", keys["type"], verb, config, f"{one.name}-{one.count}", namespace, [path])
            for verb in ("ADD", "DEL")]


def measure_links(results, in_turns, plugins, namespaces):
    subprocess.run(["ip", "link", "add", MASTER, "type", "veth", "peer", "name", f"{MASTER}-far"], check=True)
    for link in (MASTER, f"{MASTER}-far"):
        subprocess.run(["ip", "link", "set", link, "up"], check=True)
    for rounds, keep in ((WARM_UP, False), (ROUNDS, True)):
        for link in LINKS:
            results.run(in_turns(plugins, rounds, lambda one, number: jobs(
                one, link, namespaces[number % len(namespaces)])), keep=keep)
    subprocess.run(["ip", "link", "delete", MASTER], check=True)


class LinkReport:
    """The results as a table, and whether they reach the limits."""

    def __init__(self, results):
        self.results = results

    def ratio(self, measure):
        return self.results.median(measure, "ours") / self.results.median(measure, "peer")

    def table(self, absolute):
        heads = ["", *(["ours", "reference"] if absolute else []), "ours / reference"]
        rows = [heads, ["---"] + ["---:"] * (len(heads) - 1)]
        for verb in ("ADD", "DEL"):
            for link, (title, _) in LINKS.items():
                measure = f"{link}-{verb}"
                amounts = [f"{self.results.median(measure, who) / 1000:.2f} ms" for who in ("ours", "peer")]
                rows.append([f"{title} {verb}", *(amounts if absolute else []), f"{self.ratio(measure):.2f}"])
        return "\n".join("| " + " | ".join(row) + " |" for row in rows)

    def verdicts(self):
        rows = [["must reach", "at most", "is", ""], ["---", "---:", "---:", "---"]]
        for link, (title, _) in LINKS.items():
            value = self.ratio(f"{link}-ADD")
            rows.append([f"{title} ADD / reference", f"{MOST[link]}", f"{value:.2f}",
                         "reached" if value <= MOST[link] else "**not reached**"])
        return "\n".join("| " + " | ".join(row) + " |" for row in rows)

    def text(self, absolute):
        return f"{self.table(absolute)}\n\n{self.verdicts()}\n"

    def document(self):
        return INTRODUCTION + self.text(absolute=False)
