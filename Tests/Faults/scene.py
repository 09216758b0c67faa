"""One chain of plugins on a new host: attached, with one failing call, and detached."""

import copy
import json
import pathlib

from host import BOX, SCRATCH, run, shell

TRACE = SCRATCH / "trace"
WRAPPERS = SCRATCH / "bin"
# Only the first run is traced: the delegate's DEL during a rollback must not fail too.
WRAPPER = """#!/bin/sh
if mkdir {marker} 2>/dev/null; then exec {strace} {program}; fi
exec {program}
"""


class Broken(Exception):
    """A call without a fault failed."""


def record():
    """Returns strace's options that record every call."""
    return ["-s", "200"]


def kill(call):
    """Returns strace's options that kill the plugin instead of a call."""
    return ["-s", "200", "-e", f"trace={call.name}",
            "-e", f"inject={call.name}:error=EPERM:signal=SIGKILL:when={call.number}"]


def fail(call, error):
    """Returns strace's options that make a call fail once."""
    return ["-s", "200", "-e", f"trace={call.name}", "-e", f"inject={call.name}:error={error}:when={call.number}"]


class Attachment:
    """An attachment of a container; `results` are those of the chain's plugins so far."""

    def __init__(self, container, namespace, chain):
        self.container, self.namespace, self.chain = container, namespace, chain
        self.results = []

    @property
    def result(self):
        return self.results[-1] if self.results else None


class Scene:
    def __init__(self, row, plugins):
        self.row, self.plugins = row, pathlib.Path(plugins)
        WRAPPERS.mkdir()
        shell(row.prepare or ":")
        self.box = Attachment("a", row.namespace or BOX, row.chain)
        self.other = None
        if row.neighbour:
            shell("ip netns add other; ip -n other link set lo up")
            chain = copy.deepcopy(row.chain)
            for entry in chain:
                entry |= row.neighbour_keys
                for mapping in entry.get("runtimeConfig", {}).get("portMappings", []):
                    mapping["hostPort"] += 1
            self.other = Attachment("z", "/run/netns/other", chain)
            for entry in chain:
                self.must(self.add(self.other, entry), "ADD of the neighbour")

    def must(self, outcome, what):
        if not outcome.is_success:
            raise Broken(f"{what}: {outcome}")
        return outcome

    def call(self, command, entry, attachment=None, namespace=None, previous=None, disturbed=None, **keys):
        document = {**entry, **keys}
        if previous:
            document["prevResult"] = previous
        environment = {"CNI_COMMAND": command, "CNI_PATH": f"{WRAPPERS}:{self.plugins}", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
        if attachment:
            environment |= {"CNI_CONTAINERID": attachment.container, "CNI_IFNAME": "eth0",
                            "CNI_NETNS": attachment.namespace if namespace is None else namespace}
        words = [str(self.plugins / entry["type"])]
        strace = ["strace", "-qq", "-o", str(TRACE), *(disturbed or [])]
        is_wrapped = disturbed and entry["type"] != self.row.target
        if is_wrapped:
            wrapper = WRAPPERS / self.row.target
            wrapper.write_text(WRAPPER.format(
                marker=SCRATCH / "once", strace=" ".join(strace), program=self.plugins / self.row.target))
            wrapper.chmod(0o755)
        elif disturbed:
            words = strace + words
        outcome = run(words, environment, document)
        if is_wrapped:
            wrapper.unlink()
            (SCRATCH / "once").rmdir()
        return outcome

    def add(self, attachment, entry, disturbed=None):
        """Runs ADD of the chain's next plugin."""
        outcome = self.call("ADD", entry, attachment, previous=attachment.result, disturbed=disturbed)
        document = outcome.document()
        if outcome.is_success and document is not None:
            attachment.results.append(document)
        return outcome

    def attach_before(self):
        """Runs ADD of all plugins except the last."""
        for entry in self.row.chain[:-1]:
            self.must(self.add(self.box, entry), f"ADD of {entry['type']}")

    def add_last(self, disturbed=None):
        return self.add(self.box, self.row.chain[-1], disturbed)

    def delete_last(self, disturbed=None):
        return self.call("DEL", self.row.chain[-1], self.box, previous=self.box.result, disturbed=disturbed)

    def check(self, attachment):
        """Yields the errors of each plugin's CHECK."""
        for entry in attachment.chain:
            outcome = self.call("CHECK", entry, attachment, previous=attachment.result)
            if not outcome.is_success:
                yield f"CHECK of {entry['type']} for {attachment.container}: {outcome}"

    def check_neighbour(self, when):
        if self.other:
            yield from (f"{when}: {problem}" for problem in self.check(self.other))

    def warned_for_neighbour(self, outcome):
        """Whether a success warned that a file of the neighbour will be written by the network's next ADD or DEL."""
        return self.other and outcome.is_success and f"/{self.other.container}/" in outcome.errors

    def delete(self, entries, namespace=None, attachment=None):
        """Runs DEL of plugins in reverse order; yields the errors."""
        attachment = attachment or self.box
        for entry in reversed(entries):
            outcome = self.call("DEL", entry, attachment, namespace=namespace, previous=attachment.result)
            if not outcome.is_success:
                yield f"DEL of {entry['type']}{' without a namespace' if namespace == '' else ''}: {outcome}"

    def attach_again(self):
        """Runs DEL, ADD and CHECK of the chain; yields the errors."""
        yield from self.delete(self.row.chain)
        self.box.results = []
        for entry in self.row.chain:
            outcome = self.add(self.box, entry)
            if not outcome.is_success:
                yield f"another ADD of {entry['type']}: {outcome}"
                return
        yield from self.check(self.box)

    def collect(self):
        """Runs GC with only the neighbour's attachment valid; yields the errors."""
        for entry in self.row.chain:
            outcome = self.collect_one(entry)
            if not outcome.is_success:
                yield f"GC of {entry['type']}: {outcome}"

    def collect_one(self, entry, disturbed=None):
        valid = [{"containerID": self.other.container, "ifname": "eth0"}] if self.other else []
        return self.call("GC", entry, disturbed=disturbed, **{"cni.dev/valid-attachments": valid})

    def collect_last(self, disturbed=None):
        return self.collect_one(self.row.chain[-1], disturbed)


def trace():
    """Returns the output of strace."""
    return TRACE.read_text(errors="replace") if TRACE.exists() else ""


def error_problem(outcome):
    """Returns what is wrong with a plugin's error, or None."""
    document = outcome.document()
    if outcome.status is None:
        return "it did not end"
    if outcome.status < 0:
        return f"signal {-outcome.status} ended it"
    if document is None:
        return "no JSON error"
    if not isinstance(document.get("code"), int) or document["code"] < 1 or not document.get("msg"):
        return f"no error code: {json.dumps(document)[:200]}"
    return None
