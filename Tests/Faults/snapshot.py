"""The state of host and container that plugins change, as a set of lines."""

import json
import os
import pathlib
import re
import subprocess

from host import BOX, Inside, processes, wait_for_processes

STATE = ("/run", "/var/lib/cni")
# The last one has the lease indexes, which the plugin verifies and rebuilds.
NOT_STATE = ("/run/netns", "/run/faults", "/run/lock", "/run/swift-cni/ipam")
NETWORK = """
ip -j -d link; echo
ip -j address; echo
ip -j -4 route show table all; echo
ip -j -6 route show table all; echo
ip -j neigh show nud permanent; echo
bridge -j fdb; echo
"""
# Values that change by themselves, that are random, or that count all links ever made.
PASSING = {
    "address", "bridge_id", "designated_bridge", "designated_root", "flags", "ifindex", "inet6_addr_gen_mode",
    "iflink", "link_index", "link_netnsid", "linkmode", "operstate", "permaddr", "port", "qdisc", "root_id", "id", "no",
    "cost", "designated_port", "state"}
# A line of a hosts file that was removed in place, completely or in part.
DEAD = re.compile(r"^#[0-9a-f.:]*[\t\r][^\n]*\n", re.MULTILINE)
RANDOM = re.compile(r"(?<=\"device\":)\d+|(?<=\"inode\":)\d+|(?:[0-9a-f]{2}:){5}[0-9a-f]{2}|^\d+\n?$")
SYSCTLS = ("accept_dad", "accept_ra", "arp_notify", "disable_ipv6", "forwarding", "proxy_arp", "proxy_ndp", "route_localnet",
           "rp_filter", "arp_ignore", "arp_announce", "promote_secondaries", "send_redirects")


def of_everything():
    """Returns the lines of host, container, files and processes."""
    with Inside(BOX):
        inside = {f"box {line}" for line in of_network() | set(of_rules())}
    return of_host() | inside


def of_host():
    # After a DEL, a child holds netfilter sockets for a moment.
    wait_for_processes()
    return of_network() | set(of_rules()) | set(of_files()) | {f"process {name}" for name in processes()}


def printed(*words):
    return subprocess.run(words, text=True, stdout=subprocess.PIPE, check=True).stdout


def of_network():
    lines = set(of_sysctls())
    for text in printed("sh", "-ec", NETWORK).splitlines():
        for member in json.loads(text) if text else []:
            lines.update(of_object(member))
    return lines


def of_object(member):
    name = member.get("ifname", "")
    if "addr_info" in member:
        for address in member["addr_info"]:
            if address.get("scope") != "link":
                yield f"address {name} {address.get('local')}/{address.get('prefixlen')}"
    elif "ifindex" in member:
        yield from leaves(member, f"link {name}")
        yield f"link {name} up {'UP' in member.get('flags', [])} promisc {'PROMISC' in member.get('flags', [])}"
    elif "mac" in member:
        if "dst" in member:
            yield f"fdb {name} {member['mac']} {member['dst']}"
    elif not member.get("dst", "").startswith(("fe80", "ff")):
        # The kernel adds local routes of IPv6 some time after the address.
        if not (":" in member.get("dst", "") and member.get("type") == "local"):
            yield f"route {json.dumps(steady(member), sort_keys=True)}"


def is_passing(key):
    return key in PASSING or "timer" in key or "topology" in key or key.startswith(("tso_", "gso_", "gro_"))


def steady(value):
    if isinstance(value, dict):
        return {key: steady(inner) for key, inner in value.items() if not is_passing(key)}
    return value


def leaves(value, path):
    """Yields one line for each scalar and list, so that a difference shows only what differs."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if not is_passing(key):
                yield from leaves(inner, f"{path} {key}")
    else:
        yield f"{path} {json.dumps(value)}"


def of_sysctls():
    for file in ("ipv4/ip_forward", "ipv6/conf/all/forwarding"):
        yield from of_sysctl(file)
    for family in ("ipv4", "ipv6"):
        for link in os.listdir(f"/proc/sys/net/{family}/conf"):
            for key in SYSCTLS:
                yield from of_sysctl(f"{family}/conf/{link}/{key}")


def of_sysctl(file):
    try:
        with open(f"/proc/sys/net/{file}") as source:
            yield f"sysctl {file} {source.read().strip()}"
    except OSError:
        pass


def without_handles(value):
    if isinstance(value, dict):
        return {key: without_handles(inner) for key, inner in value.items() if key not in ("handle", "packets", "bytes")}
    if isinstance(value, list):
        return [without_handles(inner) for inner in value]
    return value


def of_rules():
    for item in json.loads(printed("nft", "-j", "list", "ruleset"))["nftables"]:
        if "metainfo" not in item:
            yield f"nft {json.dumps(without_handles(item), sort_keys=True)}"
    for family, program in (("ip", "iptables"), ("ip6", "ip6tables")):
        # Listing a legacy table would create it.
        names = pathlib.Path(f"/proc/net/{family}_tables_names")
        if names.exists() and names.read_text().strip():
            for line in printed(f"{program}-legacy-save").splitlines():
                if not line.startswith("#"):
                    yield f"{program} {re.sub(r' *.[0-9]+:[0-9]+.$', '', line)}"


def is_lock(path):
    """Whether the file is an empty lock file, which may stay."""
    return (path.name.endswith("lock") or path.parent.name == ".locks") and path.lstat().st_size == 0


def of_files():
    for top in STATE:
        for directory, below, files in os.walk(top):
            below[:] = [name for name in below if f"{directory}/{name}" not in NOT_STATE]
            for name in files:
                path = pathlib.Path(directory, name)
                if is_lock(path):
                    continue
                text = "no regular file"
                if name.startswith("last_reserved_ip."):
                    text = "where host-local goes on"
                elif path.is_file() and not path.is_symlink():
                    text = DEAD.sub("", RANDOM.sub("…", path.read_bytes().decode(errors="replace")))
                yield f"file {path} {text[:3000]!a}"


SUBJECT = re.compile(r"^(?:link|address|fdb|file) \S+|^sysctl ipv[46]/conf/[^/]+|^route .*(\"dev\": \"[^\"]+\")")


def subjects(lines):
    """Yields the links and files that the lines describe."""
    for line in lines:
        if match := SUBJECT.match(line):
            words = re.split(r"[ /]", match.group(0)) if line.startswith("sysctl") else match.group(0).split()
            yield match.group(1).split('"')[3] if match.group(1) else words[-1]


def is_about_remaining(lines, before, after):
    """Whether all differences are changed values of links and files that are in `after` and not in `before`.

    Or maps of which `after` has further elements.
    """
    staying = set(subjects(after)) - set(subjects(before))
    extra = [line[2:] for line in lines if line.startswith("+ ")]
    return len(extra) == len(lines) and all(
        set(subjects([line])) & staying or any(is_part(line, whole) for whole in after) for line in extra)


def is_part(line, whole):
    """Whether both are the same map, and each element of the first is one of the second."""
    if not (line.startswith('nft {"map"') and whole.startswith('nft {"map"')):
        return False
    (one, elements), (other, all_elements) = [split_elements(json.loads(text[4:])["map"]) for text in (line, whole)]
    return one == other and all(element in all_elements for element in elements)


def split_elements(table):
    return {key: value for key, value in table.items() if key != "elem"}, table.get("elem", [])


def differences(seen, *allowed):
    """Returns the lines of `seen` that no allowed snapshot has, and the lines of all of these that `seen` lacks."""
    extra = seen - set().union(*allowed)
    missing = set.intersection(*map(set, allowed)) - seen
    return [f"+ {line}" for line in sorted(extra)] + [f"- {line}" for line in sorted(missing)]
