"""How soon a host's policy has a container with a label that another host attached or removed."""

import json
import time

from etcd import base

PLUGIN, LABEL = "overlay-vxlan", "tier=web"
ROUNDS = 20
PATIENCE_SECONDS = 60


def label_set(host):
    """Returns the name of the set with the addresses of other hosts' containers that have the label."""
    return host.shell("nft list sets inet | grep -o 'label_[a-z0-9]*_far4'").split()[0]


def await_element(host, name, address, present):
    """Returns the seconds until the set has the address, or does not have it."""
    begun = time.monotonic()
    command = f"nft get element inet swift_cni {name} '{{ {address} }}' >/dev/null 2>&1 && echo yes || echo no"
    while (host.shell(command).strip() == "yes") != present:
        if time.monotonic() - begun > PATIENCE_SECONDS:
            return float("inf")
    return time.monotonic() - begun


def measure_labels(host, settings, watch, crowd):
    """Returns the seconds of each change, while nothing else changes and `cnictl overlay sync --watch` runs."""
    settings = {**settings, "policy": {"ingress": [{"from": {"label": LABEL}}], "egress": [{}]}}
    other = next(iter(crowd.present.values()))
    address = other.subnet.replace("0/24", "9")
    key = base(f"{crowd.prefix}/labels/{address}")
    value = json.dumps({"labels": [LABEL], "vtep": other.vtep, "container": "c", "interface": "eth0"})
    changes = {True: {"request_put": {"key": key, "value": base(value)}}, False: {"request_delete_range": {"key": key}}}
    host.run(PLUGIN, "ADD", settings, "labelled")
    name, seconds = label_set(host), []
    with watch(host, settings):
        for number in range(-2, ROUNDS):
            present = number % 2 == 0
            crowd.gateway.write([changes[present]])
            taken = await_element(host, name, address, present)
            # The first one waits until the watch has read everything.
            if number >= 0:
                seconds.append(taken)
    host.run(PLUGIN, "DEL", settings, "labelled")
    return seconds
