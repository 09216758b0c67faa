"""The runs of both sweeps, and the conditions that must be true after each."""

import snapshot
from calls import parse
from host import wait_for_processes
from scene import Broken, Scene, error_problem, fail, kill, record, trace


class Undisturbed:
    """A run of a row without faults: the calls of ADD and DEL, and snapshots before and after."""

    def __init__(self, row, plugins):
        scene = Scene(row, plugins)
        self.before = snapshot.of_everything()
        scene.attach_before()
        self.attached_before = snapshot.of_everything()
        scene.must(scene.add_last(record()), "ADD")
        self.calls = {"ADD": parse(trace())}
        self.addresses = len(scene.box.result.get("ips", []))
        for problem in [*scene.check(scene.box), *scene.check_neighbour("undisturbed")]:
            raise Broken(problem)
        scene.must(scene.delete_last(record()), "DEL")
        self.calls["DEL"] = parse(trace())
        self.undone = snapshot.of_everything()
        for problem in scene.delete(row.chain[:-1]):
            raise Broken(problem)
        self.after = snapshot.of_everything()


def undisturbed_gc(row, plugins):
    """Returns a snapshot of the host after ADD and GC without faults."""
    scene = Scene(row, plugins)
    scene.attach_before()
    scene.must(scene.add_last(), "ADD")
    for problem in scene.collect():
        raise Broken(problem)
    return snapshot.of_host()


class Run:
    """One call that fails. `what` is the name of an errno; or KILL (DEL cleans up) or KILL-GC (GC cleans up)."""

    def __init__(self, row, undisturbed, after_gc, command, call, what):
        self.row, self.undisturbed, self.after_gc = row, undisturbed, after_gc
        self.command, self.call, self.what = command, call, what
        self.line = None
        self.label = f"{row.name} {command} {call.name} {call.number} {what}"

    @property
    def is_kill(self):
        return self.what.startswith("KILL")

    @property
    def sweep(self):
        return "kill" if self.is_kill else "fault"

    def problems(self, plugins):
        """Runs on a new host; returns strace's line of the call (None if the plugin ended before) and the errors."""
        scene = Scene(self.row, plugins)
        scene.attach_before()
        if self.command == "DEL":
            scene.must(scene.add_last(), "ADD")
        steps = {("ADD", False): self.failed_add, ("DEL", False): self.failed_delete}.get(
            (self.command, self.is_kill), self.killed)
        problems = list(steps(scene))
        return self.line, problems

    def disturb(self, scene):
        words = kill(self.call) if self.is_kill else fail(self.call, self.what)
        run = {"DEL": scene.delete_last, "GC": scene.collect_last}.get(self.command, scene.add_last)
        outcome = run(words)
        mark = "= ?" if self.is_kill else "(INJECTED)"
        self.line = next((line for line in trace().splitlines() if line.rstrip().split(" (CLONE_")[0].endswith(mark)), None)
        return outcome

    def killed(self, scene):
        self.disturb(scene)
        wait_for_processes()
        yield from scene.check_neighbour("after the kill")
        if self.what == "KILL-GC":
            yield from scene.collect()
            yield from self.compare_in_time(scene, "GC", scene.collect, self.host_now)
        else:
            yield from scene.delete(self.row.chain)
            yield from scene.delete(self.row.chain, namespace="")
            yield from self.compare_in_time(scene, "DEL", lambda: scene.delete(self.row.chain), self.all_now)
        yield from scene.check_neighbour("at the end")

    def host_now(self):
        before = {line for line in self.undisturbed.before if not line.startswith("box ")}
        return snapshot.of_host(), before, self.after_gc

    def all_now(self):
        return snapshot.of_everything(), self.undisturbed.before, self.undisturbed.after

    def compare_in_time(self, scene, command, clean, look):
        """Links and files that stay after `command`, such as a bridge, may be incomplete until the next ADD."""
        seen, before, after = look()
        lines = snapshot.differences(seen, before, after)
        if lines and snapshot.is_about_remaining(lines, before, after):
            yield from scene.attach_again()
            yield from clean()
            lines = snapshot.differences(*look())
            command = f"another ADD and {command}"
        yield from self.report(f"after {command}", lines)

    def failed_add(self, scene):
        outcome = self.disturb(scene)
        wait_for_processes()
        if scene.warned_for_neighbour(outcome):
            yield from scene.attach_again()
        elif outcome.is_success:
            yield from self.success_problems(scene, outcome)
        else:
            if problem := error_problem(outcome):
                yield f"ADD fails, {problem}: {outcome}"
            yield from self.compare(
                f"after an ADD that failed ({outcome})", snapshot.of_everything(), self.undisturbed.attached_before,
                self.undisturbed.undone)
        yield from scene.check_neighbour("after the ADD")
        yield from scene.delete(self.row.chain)
        yield from self.compare_in_time(scene, "DEL", lambda: scene.delete(self.row.chain), self.all_now)

    def success_problems(self, scene, outcome):
        document = outcome.document()
        if document is None or "code" in document:
            yield f"ADD succeeds without a result: {outcome}"
            return
        count = len(document.get("ips", []))
        if count != self.undisturbed.addresses:
            yield f"ADD succeeds with {count} addresses: want {self.undisturbed.addresses}"
        yield from (f"ADD succeeds, but {problem}" for problem in scene.check(scene.box))

    def failed_delete(self, scene):
        outcome = self.disturb(scene)
        when = "after a DEL that succeeded"
        if not outcome.is_success:
            when = f"after another DEL; the first one failed ({outcome})"
            if problem := error_problem(outcome):
                yield f"DEL fails, {problem}: {outcome}"
            yield from scene.delete(self.row.chain[-1:])
        wait_for_processes()
        if scene.warned_for_neighbour(outcome):
            yield from scene.attach_again()
            yield from scene.delete(self.row.chain[-1:])
        else:
            yield from self.compare(when, snapshot.of_everything(), self.undisturbed.attached_before, self.undisturbed.undone)
        yield from scene.delete(self.row.chain[:-1])
        yield from self.compare("after DEL of the chain", *self.all_now())
        yield from scene.check_neighbour("at the end")

    def compare(self, when, seen, *allowed):
        yield from self.report(when, snapshot.differences(seen, *allowed))

    def report(self, when, lines):
        if lines:
            more = [f"… {len(lines) - 10} more"] if len(lines) > 10 else []
            yield f"{when}:\n" + "\n".join(f"    {line[:300]}" for line in lines[:10] + more)


def runs_of(row, undisturbed, after_gc):
    """Yields every run of a row, in the order of its calls."""
    for command in ("ADD", "DEL"):
        for call in undisturbed.calls[command]:
            if call.changes:
                for what in ("KILL", "KILL-GC") if command == "ADD" else ("KILL",):
                    yield Run(row, undisturbed, after_gc, command, call, what)
            for error in call.errors():
                yield Run(row, undisturbed, after_gc, command, call, error)
