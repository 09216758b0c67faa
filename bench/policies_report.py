"""Policies as a table, and whether they reach the limits."""

from limit_report import LimitReport
from policies import MEMBERS, POLICIES, PREFIXES

LEAST, MOST = 0.95, 1.2
TRAFFIC = {"one": "a policy with one entry", "prefixes": f"{PREFIXES:,} prefixes with different ports, the last matches",
           "members": f"a label of {MEMBERS:,} containers"}
PRESENT = {"members": f"{MEMBERS:,} containers with the label", "crowd": f"{MEMBERS:,} containers with the policy",
           "policies": f"{POLICIES:,} other policies"}
WORDS = "one TCP stream", "connections"

INTRODUCTION = """## Policies

Between containers of two `bridge` networks with `ipMasq` on one host, compared with the same without the key `policy`;
counted as for overlays, above 1 is better. ADD and DEL of `bridge` with a policy that names a label, compared with the same
on a host with one such container; below 1 is better.

"""


class PolicyReport(LimitReport):
    heading = "policy / none"

    def traffic(self, name):
        return [mine / without for mine, without in zip(self.best[name], self.best["none"])]

    def growth(self, verb, name):
        return self.calls[verb, name] / self.calls[verb, "few"]

    def limits(self):
        for name, title in TRAFFIC.items():
            for word, value in zip(WORDS, self.traffic(name)):
                yield f"{word}: {title}", f"at least {LEAST}", value, value >= LEAST
        for name, title in PRESENT.items():
            for verb in ("ADD", "DEL"):
                value = self.growth(verb, name)
                yield f"{verb}: {title}", f"at most {MOST}", value, value <= MOST

    def document(self):
        return INTRODUCTION + self.text(absolute=False)
