"""The sets of binaries that are compared, and their jobs for `runner`."""

import json
import os
import pathlib

BUILT = pathlib.Path(os.environ["BENCH_BUILT"])
SCRATCH = pathlib.Path("/run/bench")
BRIDGE, GATEWAY, SUBNET = "bench0", "10.99.0.1", "10.99.0.0/16"
POOL = "10.98.0.0/16"


def job(label, stdin, environment, *command):
    """Returns one line for `runner`; the job's standard output goes to a file named after the label."""
    output = SCRATCH / f"{label.replace('/', '-')}.out"
    return "\t".join([label, str(stdin), str(output), str(len(environment)), *environment, *map(str, command)])


class Plugins:
    """A directory of CNI plugins, with its own network, lease directory and container IDs."""

    def __init__(self, name, directory):
        self.name, self.directory = name, pathlib.Path(directory).resolve()
        self.leases = pathlib.Path("/var/lib/cni") / name
        self.count = 0

    def config(self, network, ranges):
        path = SCRATCH / f"{self.name}-{network}.json"
        path.write_text(json.dumps({
            "cniVersion": "1.0.0", "name": network, "type": "bridge", "bridge": BRIDGE, "isGateway": True,
            "ipam": {"type": "host-local", "dataDir": str(self.leases), "ranges": [[ranges]],
                     "routes": [{"dst": "0.0.0.0/0"}]}}))
        return path

    def bridge_config(self):
        return self.config("attached", {"subnet": SUBNET, "gateway": GATEWAY})

    def call(self, label, plugin, command, config, container="", namespace="", environment=()):
        environment = [f"CNI_COMMAND={command}", f"CNI_PATH={self.directory}", *environment]
        if container:
            environment += [f"CNI_CONTAINERID={container}", f"CNI_NETNS={namespace}", "CNI_IFNAME=eth0"]
        return job(f"{label}/{self.name}", config, environment, self.directory / plugin)

    def attachment(self, namespace, _address):
        """Returns the jobs for ADD and DEL of one container."""
        self.count += 1
        container = f"{self.name}-{self.count}"
        return [self.call(verb, "bridge", verb, self.bridge_config(), container, namespace) for verb in ("ADD", "DEL")]

    def lease(self, size):
        """Returns the jobs for ADD and DEL of only the IPAM plugin."""
        self.count += 1
        config = self.config(f"pool-{size}", {"subnet": POOL})
        return [self.call(f"IPAM-{verb}-{size}", "host-local", verb, config, f"{self.name}-{self.count}", "/run/netns/none")
                for verb in ("ADD", "DEL")]

    def fill(self, network, first, count):
        """Writes lease files in the reference's format, for containers that do not exist."""
        directory = self.leases / network
        directory.mkdir(parents=True, exist_ok=True)
        for number in range(count):
            value = first + number
            address = ".".join(str(value >> shift & 255) for shift in (24, 16, 8, 0))
            (directory / address).write_bytes(f"filler-{number}\r\neth0".encode())
        (directory / "last_reserved_ip.0").write_text(address)
        (directory / "lock").touch()

    def sizes(self):
        """Returns the sizes in bytes of the executables, without `cnictl`, by name; links to them are left out."""
        return {path.name: path.stat().st_size for path in self.directory.iterdir()
                if path.is_file() and not path.is_symlink() and not path.name.startswith(".") and path.name != "cnictl"}

    def installed_size(self):
        """Returns the size in bytes of the plugins that one bridge network needs."""
        return sum((self.directory / name).stat().st_size for name in ("bridge", "host-local", "loopback"))


class Floor:
    """The C program that only makes the kernel calls."""

    name = "floor"

    def __init__(self):
        self.count = 0
        self.leases = pathlib.Path("/var/lib/cni/floor")
        self.leases.mkdir(parents=True)

    def attachment(self, namespace, address, prefix="floor", bridge=BRIDGE):
        self.count += 1
        host = f"{prefix}{self.count}"
        return [
            job("ADD/floor", "/dev/null", [], BUILT / "floor", "add", namespace, "eth0", host, bridge,
                f"{address}/16", GATEWAY, 1500, self.leases),
            job("DEL/floor", "/dev/null", [], BUILT / "floor", "del", host, self.leases / address),
        ]


class Hello:
    """The C program that does nothing, with glibc or with musl."""

    def __init__(self, name):
        self.name = name

    def call(self, label, *_):
        return job(f"{label}/{self.name}", "/dev/null", [], BUILT / self.name)
