"""Two hosts on one wire, each a network namespace with a container, and plugins run on them."""

import json
import subprocess

from contestants import BUILT, SCRATCH, job

# What plugins remember of a host.
STATE = ("/run/cni", "/run/swift-cni", "/var/lib/cni")


def shell(script, namespace=None):
    """What a shell script prints that succeeds."""
    words = ["ip", "netns", "exec", namespace] if namespace else []
    done = subprocess.run([*words, "sh", "-ec", script], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if done.returncode:
        raise SystemExit(f"status {done.returncode}: {script}\n{done.stdout}{done.stderr}")
    return done.stdout


class Host:
    """A network namespace with `eth0` to another one, a container's beside it, and empty directories of its own."""

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
        """Runs one plugin for the host's container: its microseconds and its result.

        `before` are words before the command: a program that looks at what it does.
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
        """ADD and DEL of a new container, in microseconds."""
        self.count += 1
        container = f"box{self.count}"
        added, _ = self.run(plugin, "ADD", config, container, before)
        return added, self.run(plugin, "DEL", config, container)[0]


def wire(one, other, addresses):
    """A wire between two hosts; `addresses` with a prefix length."""
    shell(f"ip link add eth0 netns {one.name} type veth peer name eth0 netns {other.name}")
    for host, address in zip((one, other), addresses):
        host.shell(f"ip address add {address} dev eth0; ip link set eth0 up")
