"""Kills plugins of networks with a policy, or makes them fail, while packets that it denies are sent; none may arrive.

At the end of each run the same containers are attached without limits, and the same packets must arrive.
"""

from calls import parse
from host import wait_for_processes
from scene import Scene, record, trace
from sweep import Run
from traffic import Traffic


def recorded(row, plugins):
    """Returns the calls of ADD, of a second ADD that is refused, of DEL and of GC, without kills."""
    scene = Scene(row, plugins)
    calls = {}
    scene.attach_before()
    scene.must(scene.add_last(record()), "ADD")
    calls["ADD"] = parse(trace())
    scene.add_last(record())
    calls["AGAIN"] = parse(trace())
    scene.must(scene.collect_last(record()), "GC")
    calls["GC"] = parse(trace())
    for problem in scene.attach_again():
        raise RuntimeError(problem)
    scene.must(scene.delete_last(record()), "DEL")
    calls["DEL"] = parse(trace())
    return calls


class GuardedRun(Run):
    """A run with packets. GC cleans up if `what` is KILL-GC, otherwise DEL."""

    sweep = "packets"

    def __init__(self, row, command, call, what):
        super().__init__(row, None, None, command, call, what)

    def problems(self, plugins):
        scene = Scene(self.row, plugins)
        is_attached = self.command != "ADD"
        if self.row.holds_from_result:
            scene.attach_before()
            if is_attached:
                scene.must(scene.add_last(), "ADD")
        flows = self.row.flows()
        denied = [flow for flow in flows if flow.container == "z" or is_attached or not self.row.holds_from_result]
        with Traffic(flows) as traffic:
            problems = list(self.kill_and_clean(scene, traffic, denied, is_attached))
            problems += self.control(scene, traffic)
        return self.line, problems, self.denied

    def kill_and_clean(self, scene, traffic, denied, is_attached):
        start = traffic.arrived()
        if not self.row.holds_from_result:
            traffic.go_on(20)
            scene.attach_before()
            if is_attached:
                scene.must(scene.add_last(), "ADD")
        self.disturb(scene)
        wait_for_processes()
        traffic.go_on()
        middle = traffic.arrived()
        yield from (f"after {self.what}: {line}" for line in traffic.lines(denied, start, middle))
        yield from scene.collect() if self.what == "KILL-GC" else scene.delete(self.row.chain)
        traffic.go_on(20)
        yield from (f"while it was cleaned up: {line}" for line in traffic.lines(denied, middle, traffic.arrived()))
        self.denied = sum(flow.tried for flow in denied)
        yield from scene.delete(self.row.chain)

    def control(self, scene, traffic):
        """Yields a line for each flow that does not arrive if the policy allows it."""
        for attachment in [scene.box] + ([scene.other] if scene.other else []):
            yield from scene.delete(attachment.chain, attachment=attachment)
            attachment.results = []
            attachment.chain = self.row.chain_without_limits(attachment.chain)
            for entry in attachment.chain:
                scene.must(scene.add(attachment, entry), "ADD without limits")
            flows = [flow for flow in traffic.flows if flow.container == attachment.container]
            yield from (f"without limits: {line}" for line in traffic.missing(flows))


def guarded_runs(row, calls):
    """Yields every run of a row; ADD only if it must keep the policy of a container."""
    for command in ("ADD", "AGAIN", "DEL", "GC"):
        if command == "ADD" and row.holds_from_result and not row.neighbour:
            continue
        for call in (call for call in calls[command] if call.changes):
            if command != "GC":
                yield GuardedRun(row, command, call, "KILL")
            if command in ("ADD", "GC"):
                yield GuardedRun(row, command, call, "KILL-GC")
            if command != "AGAIN" and call.errors():
                yield GuardedRun(row, command, call, call.errors()[0])
