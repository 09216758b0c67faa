"""driver.py REPORT: measures, prints a table, and writes the results as ratios to REPORT.

Runs inside scripts/in-private-host; OURS, PEER and BENCH_BUILT name directories.
"""

import collections
import json
import os
import statistics
import subprocess
import sys
import time

from contestants import BRIDGE, BUILT, GATEWAY, SCRATCH, Floor, Hello, Plugins
from filter import measure_filter
from filter_report import FilterReport
from links import LinkReport, check_present, measure_links
from names import Names, NamesReport
from overlay import measure_overlay
from overlay_report import OverlayReport
from packets import measure_bridges
from packets_report import BridgeReport
from policies import measure_policies
from policies_report import PolicyReport
from report import Report
from services import measure_services
from services_report import ServiceReport

ATTACHMENTS = 1000
BRIDGES = 10
POOL_SIZES = (10, 1_000, 60_000)
TOGETHER = 50
FILLER_ADDRESS = 10 << 24 | 99 << 16 | 100 << 8
POOL_ADDRESS = 10 << 24 | 98 << 16 | 2


def progress(text):
    print(text, file=sys.stderr, flush=True)


def ip(*arguments, input=None):
    return subprocess.run(["ip", *arguments], input=input, text=True, stdout=subprocess.PIPE, check=True).stdout


def namespaces(prefix, count):
    """Makes network namespaces and returns their paths."""
    batch = "".join(f"netns add {prefix}{number}\n" for number in range(count))
    ip("-batch", "-", input=batch)
    return [f"/run/netns/{prefix}{number}" for number in range(count)]


class Results:
    """The microseconds and the peak memory in KiB of every measured call."""

    def __init__(self):
        self.times = collections.defaultdict(list)
        self.memory = collections.defaultdict(int)

    def run(self, jobs, mode="serial", suffix="", keep=True):
        done = subprocess.run([BUILT / "runner", mode], input="\n".join(jobs) + "\n", text=True, stdout=subprocess.PIPE,
                              check=True)
        for line in done.stdout.splitlines():
            label, microseconds, kilobytes, status = line.split("\t")
            if status != "0":
                output = SCRATCH / f"{label.replace('/', '-')}.out"
                sys.exit(f"{label}: status {status}: {output.read_text() if output.exists() else ''}")
            if not keep:
                continue
            measure, _, who = label.partition("/")
            self.times[measure + suffix, who].append(float(microseconds))
            self.memory[measure.split("-")[0], who] = max(self.memory[measure.split("-")[0], who], int(kilobytes))

    def median(self, measure, who):
        values = self.times.get((measure, who))
        return statistics.median(values) if values else None


def in_turns(contestants, rounds, make_jobs):
    """Returns the jobs of all contestants, interleaved; each round begins with another contestant."""
    jobs = []
    for number in range(rounds):
        for turn in range(len(contestants)):
            jobs += make_jobs(contestants[(number + turn) % len(contestants)], number)
    return jobs


def measure_start(results, plugins):
    (SCRATCH / "version.json").write_text('{"cniVersion":"1.0.0"}')
    for rounds, keep in ((3, False), (200, True)):
        results.run(in_turns([*plugins, Hello("hello"), Hello("hello-musl")], rounds, lambda one, _: [
            one.call("VERSION", "bridge", "VERSION", SCRATCH / "version.json")]), keep=keep)


def measure_attachments(results, everyone, paths, suffix, rounds):
    def jobs(one, number):
        return one.attachment(paths[number % len(paths)], f"10.99.200.{number + 1}")
    results.run(in_turns(everyone, 2, jobs), keep=False)
    results.run(in_turns(everyone, rounds, jobs), suffix=suffix)


def measure_together(results, plugins, paths):
    for number in range(6):
        for one in plugins if number % 2 else plugins[::-1]:
            pairs = [one.attachment(path, None) for path in paths]
            results.run([pair[0] for pair in pairs], "parallel", suffix="-together", keep=number > 0)
            if number > 0:
                del results.times["ADD-together", one.name]
                results.times["together", one.name].append(results.times["all-together", ""].pop())
            results.run([pair[1] for pair in pairs], keep=False)


def measure_pools(results, plugins):
    for size, rounds in zip(POOL_SIZES, (20, 20, 7)):
        progress(f"address pool with {size} leases")
        for one in plugins:
            one.fill(f"pool-{size}", POOL_ADDRESS, size)
        results.run(in_turns(plugins, 1, lambda one, _: one.lease(size)), keep=False)
        results.run(in_turns(plugins, rounds, lambda one, _: one.lease(size)))


def attach_many(results, floor, plugins):
    """Attaches containers to several bridges, the measured one among them."""
    make_bridges(f"{BRIDGE}x{number}" for number in range(1, BRIDGES))
    paths = namespaces("filler", ATTACHMENTS)
    jobs = []
    for number, path in enumerate(paths):
        value = FILLER_ADDRESS + number
        address = ".".join(str(value >> shift & 255) for shift in (24, 16, 8, 0))
        bridge = BRIDGE if number % BRIDGES == 0 else f"{BRIDGE}x{number % BRIDGES}"
        jobs.append(floor.attachment(path, address, prefix="filler", bridge=bridge)[0])
    results.run(jobs, keep=False)
    for one in plugins:
        one.fill("attached", FILLER_ADDRESS, ATTACHMENTS // BRIDGES)
    # A new interface sends three router solicitations, four seconds apart; those of a thousand would disturb the results.
    time.sleep(15)


def crowd_one_bridge(plugins):
    """Moves all these containers to the measured bridge."""
    hosts = [link["ifname"] for link in json.loads(ip("-json", "link", "show", "type", "veth"))]
    batch = "".join(f"link set {name} master {BRIDGE}\n" for name in hosts if name.startswith("filler"))
    ip("-batch", "-", input=batch)
    for one in plugins:
        one.fill("attached", FILLER_ADDRESS, ATTACHMENTS)


def make_bridges(names):
    for name in names:
        ip("link", "add", name, "type", "bridge")
        ip("link", "set", name, "up")


def main():
    SCRATCH.mkdir()
    ours, peer, floor = Plugins("ours", os.environ["OURS"]), Plugins("peer", os.environ["PEER"]), Floor()
    plugins, everyone, results = [ours, peer], [ours, peer, floor], Results()
    check_present(plugins)
    make_bridges([BRIDGE])
    ip("address", "add", f"{GATEWAY}/16", "dev", BRIDGE)

    progress("containers of one bridge")
    bridged = measure_bridges(ours.directory, peer.directory)
    policies = measure_policies(ours.directory, progress)
    services = measure_services(ours.directory, progress)
    overlay = measure_overlay(ours.directory, progress)
    filtered = measure_filter(ours.directory, peer.directory, progress)
    progress("start")
    measure_start(results, plugins)
    progress("ADD and DEL with no attachment")
    few = namespaces("few", 10)
    measure_attachments(results, everyone, few, "-none", 50)
    progress("macvlan and ptp")
    measure_links(results, in_turns, plugins, few)
    progress("names")
    Names(ours).measure(results)
    progress(f"{TOGETHER} ADDs at once")
    measure_together(results, plugins, namespaces("together", TOGETHER))
    measure_pools(results, plugins)
    progress(f"ADD and DEL with {ATTACHMENTS} attachments")
    attach_many(results, floor, plugins)
    measure_attachments(results, everyone, few, "-many", 40)
    crowd_one_bridge(plugins)
    measure_attachments(results, everyone, few, "-crowd", 40)

    report = Report(results, {one.name: one.installed_size() for one in plugins}, ours.sizes(), ATTACHMENTS, BRIDGES, POOL_SIZES,
                    TOGETHER)
    reports = [report, LinkReport(results), NamesReport(results), FilterReport(filtered), BridgeReport(bridged),
               PolicyReport(policies), ServiceReport(services), OverlayReport(overlay)]
    print("\n".join(one.text(absolute=True) for one in reports))
    with open(sys.argv[1], "w") as file:
        file.write("\n".join(one.document() for one in reports))


main()
