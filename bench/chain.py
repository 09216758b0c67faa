"""A whole chain of plugins on a separate host: bridge with ipMasq, IPAM, portmap, firewall."""

import json
import pathlib
import subprocess

from contestants import BUILT, SCRATCH, job
from ruleset import FAMILIES, Nftables, Pattern, Tables, run_in

PLUGINS = ("bridge", "portmap", "firewall")
UPLINK, NEIGHBOUR = "192.0.2.1", "192.0.2.2"
CONTAINER_PORT = 80
# The host port of the container whose rules are copied, and that of the container with the server.
LEARNED, SERVED = 30000, 30001
STATE = pathlib.Path("/run/swift-cni/filter")
VARIANTS = {"nftables": "nft", "iptables": "legacy"}


def programs(backend):
    """Makes a directory for PATH in which `iptables` and related commands are of the backend's variant."""
    directory = SCRATCH / f"path-{backend}"
    directory.mkdir(exist_ok=True)
    for family in ("iptables", "ip6tables"):
        for suffix in ("", "-save", "-restore"):
            link = directory / f"{family}{suffix}"
            if not link.exists():
                link.symlink_to(f"/usr/sbin/xtables-{VARIANTS[backend]}-multi")
    return directory


class Chain:
    """One set of plugins with one backend, while the rules of `present` containers exist.

    Its host is a network namespace, with a neighbour in another namespace.
    """

    def __init__(self, who, directory, backend, present):
        self.who, self.directory, self.backend = who, pathlib.Path(directory).resolve(), backend
        self.present = present
        self.name = f"{who}-{backend}-{present}"
        self.host, self.box, self.outside = (f"{place}-{self.name}" for place in ("host", "box", "outside"))
        self.ruleset = Nftables() if (who, backend) == ("ours", "nftables") else Tables(VARIANTS[backend])
        self.environment = [f"CNI_PATH={self.directory}", f"CNI_NETNS=/run/netns/{self.box}", "CNI_IFNAME=eth0",
                            f"PATH={programs(backend)}"]
        self.count, self.added = 0, {}
        for plugin in PLUGINS:
            if not (self.directory / plugin).exists():
                raise SystemExit(f"no {self.directory / plugin}: the packet filter is measured with it")
        self.make_namespaces()
        self.run = run_in(self.host)
        if backend == "iptables":
            self.make_legacy_tables()
        # `ip netns exec` also mounts a new /sys, which shows this namespace's links.
        self.runner = subprocess.Popen(["ip", "netns", "exec", self.host, BUILT / "runner", "serial"], text=True,
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def close(self):
        """Removes the namespaces and everything in them."""
        self.runner.stdin.close()
        self.runner.wait()
        for namespace in (self.box, self.host, self.outside):
            subprocess.run(["ip", "netns", "delete", namespace], check=True)

    def make_namespaces(self):
        for namespace in (self.host, self.box, self.outside):
            subprocess.run(["ip", "netns", "add", namespace], check=True)
        batch = f"""link add uplink type veth peer name eth0 netns {self.outside}
            address add {UPLINK}/24 dev uplink
            link set uplink up
            link set lo up"""
        subprocess.run(["ip", "-netns", self.host, "-batch", "-"], input=batch, text=True, check=True)
        batch = f"address add {NEIGHBOUR}/24 dev eth0\nlink set eth0 up"
        subprocess.run(["ip", "-netns", self.outside, "-batch", "-"], input=batch, text=True, check=True)

    def make_legacy_tables(self):
        """Creates the legacy tables by reading them, so that the plugins use them as `iptables` in their PATH does."""
        for family in FAMILIES:
            for table in ("filter", "nat"):
                self.run(f"{family}-legacy", "--table", table, "--list-rules")

    def config(self, plugin, previous, ports):
        keys = {
            "bridge": {"bridge": "chain0", "isGateway": True, "ipMasq": True, "ipMasqBackend": self.backend,
                       "ipam": {"type": "host-local", "dataDir": f"/var/lib/cni/{self.name}",
                                "ranges": [[{"subnet": "10.99.0.0/16"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
            "portmap": {"backend": self.backend, "capabilities": {"portMappings": True}, "runtimeConfig": {
                "portMappings": [{"hostPort": port, "containerPort": CONTAINER_PORT, "protocol": "tcp"}
                                 for port in ports]}},
            "firewall": {"backend": self.backend}}
        config = {"cniVersion": "1.0.0", "name": self.name, "type": plugin, **keys[plugin]}
        if previous:
            config["prevResult"] = previous
        path = SCRATCH / f"{self.name}.json"
        path.write_text(json.dumps(config))
        return path

    def call(self, plugin, command, container, previous, ports):
        """Runs one plugin; returns its microseconds, exit status and output."""
        label = f"{plugin}-{self.name}"
        environment = [*self.environment, f"CNI_COMMAND={command}", f"CNI_CONTAINERID={container}"]
        line = job(label, self.config(plugin, previous, ports), environment, self.directory / plugin)
        self.runner.stdin.write(line + "\n")
        self.runner.stdin.flush()
        _, microseconds, _, status = self.runner.stdout.readline().split("\t")
        return float(microseconds), int(status), (SCRATCH / f"{label}.out").read_text()

    def must(self, plugin, command, *arguments):
        microseconds, status, output = self.call(plugin, command, *arguments)
        if status:
            raise SystemExit(f"{self.name}: {plugin} {command}: status {status}: {output}")
        return microseconds, output

    def add(self, container, ports):
        """Attaches a container; returns the microseconds of all plugins, and the result; `added` has those of each."""
        self.added, result = {}, None
        for plugin in PLUGINS:
            self.added[plugin], output = self.must(plugin, "ADD", container, result, ports)
            result = json.loads(output)
        return sum(self.added.values()), result

    def delete(self, container, result, ports):
        return sum(self.must(plugin, "DEL", container, result, ports)[0] for plugin in reversed(PLUGINS))

    def once(self, ports):
        """Runs ADD and DEL of a new container; returns their microseconds."""
        self.count += 1
        container = f"box-{self.count}"
        added, result = self.add(container, ports)
        return added, self.delete(container, result, ports)

    # Many containers

    def learn(self):
        """Reads the rules and the state files of one container."""
        container, port = "pattern", LEARNED
        _, self.result = self.add(container, [port])
        address = self.result["ips"][0]["address"].partition("/")[0]
        self.pattern = Pattern(self.name, container, address, port)
        self.listing = self.ruleset.listed(self.run)
        files = (STATE / self.name).glob("*")
        self.remembered = {file.name.partition(".")[2]: file.read_text() for file in files}
        self.answers = {plugin: self.call(plugin, "CHECK", container, self.result, [port])[1:]
                        for plugin in PLUGINS[1:]}
        self.delete(container, self.result, [port])

    def fill(self, count):
        """Loads the rules of `count` containers.

        CHECK must have the same result as for rules that the plugins made themselves; Debian's portmap
        reports missing IPv6 rules in both cases.
        """
        self.ruleset.load(self.run, self.ruleset.multiplied(self.listing, self.pattern, count))
        # DEL of the last published port resets this.
        self.run("sysctl", "--quiet", "--write", "net.ipv4.conf.chain0.route_localnet=1")
        (STATE / self.name).mkdir(parents=True, exist_ok=True)
        for part, text in self.remembered.items():
            for number in range(1, count + 1):
                (STATE / self.name / f"filler{number}.{part}").write_text(self.pattern.copy(text, number))
        for number, present in ((1, True), (count, True), (count + 1, False)):
            result = json.loads(self.pattern.copy(json.dumps(self.result), number))
            for plugin, (status, output) in self.answers.items():
                wanted = status, self.pattern.copy(output, number)
                _, *answer = self.call(plugin, "CHECK", Pattern.container(number), result, [Pattern.port(number)])
                if (tuple(answer) == wanted) != present:
                    raise SystemExit(f"{self.name}: {plugin} CHECK of container {number} of {count}: {answer}")

    # Connections

    def serve(self):
        """Attaches a container with a server and publishes its port."""
        _, self.served = self.add("server", [SERVED])
        self.server = subprocess.Popen(
            ["nsenter", f"--net=/run/netns/{self.box}", BUILT / "connections", "serve", str(CONTAINER_PORT)])

    def stop_serving(self):
        self.server.kill()
        self.server.wait()
        self.delete("server", self.served, [SERVED])

    def rate(self, milliseconds):
        """Returns the number of connections per second from outside to the published port."""
        opened = run_in(self.outside)(BUILT / "connections", "open", UPLINK, str(SERVED), str(int(milliseconds)))
        return float(opened)
