"""The packet filter: whole chains with 0 to 5,000 containers' rules present, many ports, connections per second."""

import collections
import itertools
import statistics
import time

from chain import Chain
from floor_chain import FloorChain

BACKENDS = ("nftables", "iptables")
PRESENT = (0, 1_000, 5_000)
FIRST_PORT = 31000
# With many containers, one round of the reference takes seconds.
ROUNDS, ROUNDS_OF_REFERENCE = 9, {0: 9, 1_000: 5, 5_000: 3}
MANY_PORTS, MANY_PORTS_ROUNDS = 100, 3
RATE_ROUNDS, RATE_MILLISECONDS = 25, 100
# The time until a new server listens and neighbours are resolved.
SETTLING_SECONDS = 0.3


class FilterResults:
    """Microseconds or connections per second, by measure, contestant and backend."""

    def __init__(self):
        self.values = collections.defaultdict(list)

    def note(self, measure, chain, value):
        self.values[measure, chain.who, chain.backend].append(value)

    def note_pair(self, suffix, chain, added, deleted):
        for verb, value in (("ADD", added), ("DEL", deleted), ("both", added + deleted)):
            self.note(f"{verb}-{suffix}", chain, value)

    def value(self, measure, who, backend):
        """Returns the median; for rates the maximum, because other load on the machine can only lower them."""
        values = self.values[measure, who, backend]
        return max(values) if measure.startswith("rate") else statistics.median(values)


def turns(chains, rounds):
    """Yields the chains of each round, beginning with another chain each time; `rounds` limits a chain's rounds."""
    most = max(rounds(chain) for chain in chains)
    for number in range(most):
        for turn in range(len(chains)):
            chain = chains[(number + turn) % len(chains)]
            # Chains with fewer rounds take part in evenly distributed ones.
            if number * rounds(chain) // most != (number + 1) * rounds(chain) // most:
                yield chain


def measure_chains(results, chains):
    for chain in chains:
        chain.once([FIRST_PORT])
    for chain in turns(chains, lambda chain: ROUNDS_OF_REFERENCE[chain.present] if chain.who == "peer" else ROUNDS):
        results.note_pair(chain.present, chain, *chain.once([FIRST_PORT]))
        for plugin, microseconds in chain.added.items():
            results.note(f"{plugin}-{chain.present}", chain, microseconds)


def measure_many_ports(results, chains):
    ports = range(FIRST_PORT, FIRST_PORT + MANY_PORTS)
    for chain in turns(chains, lambda _: MANY_PORTS_ROUNDS):
        results.note_pair("ports", chain, *chain.once(ports))


def measure_rates(results, chains):
    for chain in chains:
        chain.serve()
    time.sleep(SETTLING_SECONDS)
    try:
        for chain in chains:
            chain.rate(RATE_MILLISECONDS)
        for chain in turns(chains, lambda _: RATE_ROUNDS):
            results.note(f"rate-{chain.present}", chain, chain.rate(RATE_MILLISECONDS))
    finally:
        for chain in chains:
            chain.stop_serving()


def measure_filter(ours, peer, progress):
    """Measures two directories of plugins, both with both backends."""
    results = FilterResults()
    everyone = itertools.product(PRESENT, BACKENDS, (("ours", ours), ("peer", peer)))
    chains = [Chain(who, directory, backend, present) for present, backend, (who, directory) in everyone]
    progress(f"rules of {' and '.join(f'{present:,}' for present in PRESENT[1:])} containers")
    for chain in chains:
        if chain.present:
            chain.learn()
            chain.fill(chain.present)
    progress("whole chains")
    floors = [FloorChain(present) for present in (PRESENT[0], PRESENT[-1])]
    measure_chains(results, chains + floors)
    progress(f"{MANY_PORTS} ports on one container")
    measure_many_ports(results, [chain for chain in chains if not chain.present])
    progress("connections")
    measure_rates(results, [chain for chain in chains if chain.present in (PRESENT[0], PRESENT[-1])])
    for chain in chains + floors:
        chain.close()
    return results
