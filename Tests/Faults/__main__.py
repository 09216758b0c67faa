"""Kills ADD and DEL of each plugin before every system call that changes something, and makes every call fail once.

Each run has a new host. For a kill, SIGKILL replaces the call; the host after DEL or GC is then
compared with the host before ADD and with the host after an ADD and DEL without faults. A fault makes a call fail once,
with each errno that this call can have. Networks with a policy are also killed while packets are sent that it denies. A failed
run is printed with its name, for --only; the last line has the counts.
"""

import argparse
import os
import pathlib
import pickle
import selectors
import sys
import traceback
import zlib

import host
from guarded import guarded_runs, recorded
from guarded_rows import GUARDED_ROWS
from rows import ROWS
from sweep import Undisturbed, runs_of, undisturbed_gc

TALLIES = pathlib.Path(".build/check")


def guarded(work):
    def answer():
        try:
            return True, work()
        except Exception as error:
            return False, f"{type(error).__name__}: {error}\n{traceback.format_exc(limit=-3)}"
    return answer


def on_hosts(tasks, jobs):
    """Runs each (key, work) on a new host; yields (key, whether it succeeded, its value or the exception's text)."""
    selector, waiting, running = selectors.DefaultSelector(), list(reversed(tasks)), 0
    while waiting or running:
        while waiting and running < jobs:
            key, work = waiting.pop()
            pid, pipe = host.start(guarded(work))
            selector.register(pipe, selectors.EVENT_READ, [key, pid, bytearray()])
            running += 1
        for ready, _ in selector.select():
            key, pid, data = ready.data
            if piece := os.read(ready.fd, 1 << 16):
                data += piece
                continue
            selector.unregister(ready.fd)
            os.close(ready.fd)
            os.waitpid(pid, 0)
            running -= 1
            yield (key, *(pickle.loads(data) if data else (False, "the host's first process ended without an answer")))


def sampled(runs, count, seed):
    """Chooses about `count` runs by their names and the seed: from each row as many of each sweep.

    The choice changes little if a plugin makes one more system call.
    """
    groups = {}
    for run in runs:
        groups.setdefault((run.row.name, run.sweep), []).append(run)
    share = max(1, count // len(groups)) if groups else 0
    chosen = []
    for group in groups.values():
        chosen += sorted(group, key=lambda run: zlib.crc32(f"{seed} {run.label}".encode()))[:share]
    return chosen


def plan(rows, options):
    """Returns (all runs of the rows, the number of rows that fail without faults)."""
    tasks = []
    for row in rows:
        if row in GUARDED_ROWS:
            tasks.append(((row.name, "all"), lambda row=row: recorded(row, options.plugins)))
            continue
        tasks.append(((row.name, "DEL"), lambda row=row: Undisturbed(row, options.plugins)))
        tasks.append(((row.name, "GC"), lambda row=row: undisturbed_gc(row, options.plugins)))
    undisturbed, broken = {}, set()
    for key, is_good, value in on_hosts(tasks, options.jobs):
        if is_good:
            undisturbed[key] = value
        else:
            broken.add(key[0])
            print(f"{key[0]} without faults, with {key[1]}: {value}", file=sys.stderr, flush=True)
    runs = []
    for row in rows:
        if row.name in broken:
            continue
        if row in GUARDED_ROWS:
            runs += guarded_runs(row, undisturbed[row.name, "all"])
        else:
            runs += runs_of(row, undisturbed[row.name, "DEL"], undisturbed[row.name, "GC"])
    return runs, len(broken)


def execute(runs, options):
    """Returns the numbers of runs that passed, that failed, and that ended before their call; and of denied packets."""
    passed, failed, missed, denied = 0, 0, 0, 0
    tasks = [(run, lambda run=run: run.problems(options.plugins)) for run in runs]
    for run, is_good, value in on_hosts(tasks, options.jobs):
        line, problems, *packets = value if is_good else (run.call.line, [value])
        denied += sum(packets)
        if problems:
            failed += 1
            lines = "\n".join(f"  {problem}" for problem in problems)
            print(f"{run.label}\n  {(line or 'it ended before: ' + run.call.line)[:250]}\n{lines}", file=sys.stderr, flush=True)
        elif line is None:
            missed += 1  # no call failed, so the run shows nothing
        else:
            passed += 1
    return passed, failed, missed, denied


def main():
    parser = argparse.ArgumentParser(prog="faults", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--plugins", default=os.environ.get("CNI_BIN", ".build/bin"), help="directory of the plugins ($CNI_BIN)")
    parser.add_argument("--sample", type=int, metavar="K", help="do about K runs instead of all")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="choose another sample (0)")
    parser.add_argument("--and", dest="more", metavar="NAME", action="append", default=[],
                        help="in addition to the sample, do the runs with names that begin like this")
    parser.add_argument("--only", metavar="NAME", help="do only the runs with names that begin like this: 'bridge ADD openat 3'")
    parser.add_argument("--sweep", choices=("kill", "fault", "packets"), help="do only one of the sweeps")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="number of concurrent runs")
    parser.add_argument("--list", action="store_true", help="print the names and run nothing")
    options = parser.parse_args()
    options.plugins = os.path.abspath(options.plugins)
    rows = {None: ROWS + GUARDED_ROWS, "packets": GUARDED_ROWS}.get(options.sweep, ROWS)
    if options.only:
        rows = [row for row in rows if row.name == options.only.split()[0]]
    runs, failed = plan(rows, options)
    if options.only:
        runs = [run for run in runs if f"{run.label} ".startswith(f"{options.only} ")]
    if options.sweep:
        runs = [run for run in runs if run.sweep == options.sweep]
    if options.sample:
        more = [run for run in runs if any(f"{run.label} ".startswith(f"{name} ") for name in options.more)]
        runs = list(dict.fromkeys(sampled(runs, options.sample, options.seed) + more))
    if options.list:
        print("\n".join(run.label for run in runs))
        return
    passed, more, missed, denied = execute(runs, options)
    failed += more
    if not passed and not failed:
        sys.exit("faults: nothing was run")
    TALLIES.mkdir(parents=True, exist_ok=True)
    (TALLIES / ("faults-sample" if options.sample else "faults")).write_text(f"{passed} {failed}\n")
    notes = [f"{number} {what}" for number, what in ((missed, "ended before their call"), (denied, "denied packets tried")) if number]
    print(f"faults: {passed} passed, {failed} failed{' (' + ', '.join(notes) + ')' if notes else ''}")
    sys.exit(failed > 0)


main()
