"""Multiplies the listed rules of one container into those of many."""

import hashlib
import re
import subprocess

FAMILIES = ("iptables", "ip6tables")


def dotted(number):
    return ".".join(str(number >> shift & 255) for shift in (24, 16, 8, 0))


def short_hash(text):
    """Equals `AttachmentID.shortHash`: FNV-1a, mixed, in base 32."""
    value = 0xCBF29CE484222325
    for byte in text.encode():
        value = (value ^ byte) * 0x100000001B3 % 2**64
    for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        value = (value ^ value >> 33) * factor % 2**64
    value ^= value >> 33
    return "".join("abcdefghijklmnopqrstuvwxyz234567"[value >> 5 * place & 31] for place in range(13))


class Pattern:
    """The parts of a listing that differ for each container: ID, address, host port, and hashes.

    The reference's hashes are of network and container, in chain names; ours are of the comment, in keys of sets.
    """

    FIRST_ADDRESS = 10 << 24 | 99 << 16 | 128 << 8
    FIRST_PORT = 20000
    OUR_HASH = re.compile(r'"[a-z2-7]{13}"(?= comment "([^"]*)")')

    def __init__(self, network, container, address, port):
        self.network = network
        own = (re.escape(container), rf"(?<![\d.]){re.escape(address)}(?!\d|\.\d)", rf"(?<![\d.:]){port}(?!\d)",
               r"(?<=\bCNI-)(?:DN-)?[0-9a-f]{21,24}\b")
        self.words = re.compile("|".join(f"({word})" for word in own))

    @classmethod
    def container(cls, number):
        return f"filler-{number}"

    @classmethod
    def address(cls, number):
        return dotted(cls.FIRST_ADDRESS + number)

    @classmethod
    def port(cls, number):
        return cls.FIRST_PORT + number

    def copy(self, text, number):
        """Returns the text for another container."""
        def other(found):
            if found[1]:
                return self.container(number)
            if found[2]:
                return self.address(number)
            if found[3]:
                return str(self.port(number))
            kind, digits = re.fullmatch("(DN-)?(.*)", found[4]).groups("")
            return kind + hashlib.sha512((self.network + self.container(number)).encode()).hexdigest()[:len(digits)]
        return self.OUR_HASH.sub(lambda found: f'"{short_hash(found[1])}"', self.words.sub(other, text))

    def copies(self, text, count):
        """Returns `count` copies of a container's text; other text is returned once."""
        return [self.copy(text, number) for number in range(1, count + 1)] if self.words.search(text) else [text]


class Tables:
    """The output of iptables-save in one variant: `nft` or `legacy`."""

    def __init__(self, variant):
        self.variant = variant

    def listed(self, run):
        return [run(f"{family}-{self.variant}-save") for family in FAMILIES]

    def multiplied(self, listings, pattern, count):
        return ["".join(copy + "\n" for line in listing.splitlines() for copy in pattern.copies(line, count))
                for listing in listings]

    def load(self, run, listings):
        for family, listing in zip(FAMILIES, listings):
            run(f"{family}-{self.variant}-restore", input=listing)


class Nftables:
    """The output of nft: copies elements of sets and maps, rules, and chains."""

    CHAIN = re.compile(r"\tchain (\S+) \{\n.*?\n\t\}\n", re.DOTALL)
    ELEMENTS = re.compile(r"(elements = \{)(.*?)(\})", re.DOTALL)

    def listed(self, run):
        return run("nft", "--stateless", "list", "ruleset")

    def multiplied(self, listing, pattern, count):
        def elements(found):
            several = [copy for one in found[2].split(",") for copy in pattern.copies(one.strip(), count)]
            return f"{found[1]} {', '.join(several)} {found[3]}"

        def chain(found):
            if pattern.words.search(found[1]):
                return "".join(pattern.copies(found[0], count))
            return "".join(copy + "\n" for line in found[0].splitlines() for copy in pattern.copies(line, count))

        return self.CHAIN.sub(chain, self.ELEMENTS.sub(elements, listing))

    def load(self, run, listing):
        run("nft", "--file", "-", input="flush ruleset\n" + listing)


def run_in(namespace):
    """Runs programs in a network namespace and returns their output."""
    def run(*command, input=None):
        done = subprocess.run(["nsenter", f"--net=/run/netns/{namespace}", *command], input=input, text=True,
                              capture_output=True)
        if done.returncode:
            raise SystemExit(f"{' '.join(command)}: {done.stderr[:2000]}")
        return done.stdout
    return run
