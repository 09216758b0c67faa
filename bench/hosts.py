"""Two connected hosts, each a network namespace with a container, and plugin calls on them."""

import json
import subprocess

from contestants import BUILT, SCRATCH, job

# The state directories of plugins.
STATE = ("/run/cni", "/run/swift-cni", "/var/lib/cni")


def shell(script, namespace=None):
    """Returns the output of a shell script, which must succeed."""
    words = ["ip", "netns", "exec", namespace] if namespace else []
    done = subprocess.run([*words, "sh", "-ec", script], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if done.returncode:
        raise SystemExit(f"status {done.returncode}: {script}\n{done.stdout}{done.stderr}")
    return done.stdout


class Host:
    """A network namespace with `eth0` to another host, a container's namespace, and its own empty state directories."""

    def __init__(self, name, plugins):
        self.name, self.box, self.plugins = name, f"{name}-box", plugins
        self.count = 0
        shell(f"for n in {self.name} {self.box}; do ip netns add $n; ip -n $n link set lo up; done")
        # `ip netns exec` gives it a mount namespace of its own.
        mounts = f"for d in {' '.join(STATE)}; do mkdir -p $d; mount -t tmpfs tmpfs $d; done"
        self.runner = subprocess.Popen(
            ["ip", "netns", "exec", name, "sh", "-ec", f"{mounts}; exec {BUILT / 'runner'} serial"], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def close(self):
        self.runner.stdin.close()
        self.runner.wait()
        shell(f"ip netns del {self.box}; ip netns del {self.name}")

    def shell(self, script):
        return shell(script, self.name)

    def run(self, plugin, command, config, container="box", before=()):
        """Runs one plugin for the host's container; returns its microseconds and its result.

        `before` is put before the command: a program that traces it.
        """
        label = f"host-{self.name}-{command}"
        path = SCRATCH / f"host-{self.name}.json"
        path.write_text(json.dumps(config))
        environment = [
            f"CNI_COMMAND={command}", f"CNI_CONTAINERID={container}", f"CNI_NETNS=/run/netns/{self.box}",
            "CNI_IFNAME=eth0", f"CNI_PATH={self.plugins}", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"]
        self.runner.stdin.write(job(label, path, environment, *before, self.plugins / plugin) + "\n")
        self.runner.stdin.flush()
        _, microseconds, _, status = self.runner.stdout.readline().split("\t")
        output = (SCRATCH / f"{label}.out").read_text()
        if status.strip() != "0":
            raise SystemExit(f"{self.name}: {plugin} {command}: status {status.strip()}: {output}")
        return float(microseconds), json.loads(output) if output.strip() else None

    def once(self, plugin, config, before=()):
        """Runs ADD and DEL of a new container; returns their microseconds."""
        self.count += 1
        container = f"box{self.count}"
        added, _ = self.run(plugin, "ADD", config, container, before)
        return added, self.run(plugin, "DEL", config, container)[0]


def wire(one, other, addresses):
    """Connects two hosts; `addresses` have prefix lengths."""
    shell(f"ip link add eth0 netns {one.name} type veth peer name eth0 netns {other.name}")
    for host, address in zip((one, other), addresses):
        host.shell(f"ip address add {address} dev eth0; ip link set eth0 up")
