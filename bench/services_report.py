"""Services as a table, and whether they reach the limits."""

from limit_report import LimitReport
from services import MEMBERS, SERVICES

LEAST, MOST = 0.95, 1.2
WORDS = "one TCP stream", "connections"
PRESENT = {"members": f"{MEMBERS[-1]} back-ends of the service", "services": f"{SERVICES:,} other services"}

INTRODUCTION = """## Services

From a container of one `bridge` network through a service's virtual address to a container of another one, compared with the
container's own address; counted as for overlays, above 1 is better. haproxy forwards the same in TCP mode. ADD and DEL of a
back-end with two ports, compared with a service of one other back-end; below 1 is better.

"""


class ServiceReport(LimitReport):
    heading = "services"

    def traffic(self, key, to="direct"):
        return [mine / other for mine, other in zip(self.best[key], self.best[to])]

    def limits(self):
        for members in MEMBERS:
            value = self.traffic(members)[1]
            title = f"connections: {members} back-end{'s' if members > 1 else ''} / direct"
            yield title, f"at least {LEAST}", value, value >= LEAST
        for word, value in zip(WORDS, self.traffic(1, "haproxy")):
            yield f"{word}: 1 back-end / haproxy", "at least 1", value, value >= 1
        for key, title in PRESENT.items():
            for verb in ("ADD", "DEL"):
                value = self.calls[verb, key] / self.calls[verb, "few"]
                yield f"{verb}: {title}", f"at most {MOST}", value, value <= MOST

    def document(self):
        stream = "; ".join(f"{self.traffic(members)[0]:.2f} with {members}" for members in MEMBERS)
        note = f"\nOne TCP stream / direct, by the number of back-ends: {stream}. Each of its packets is translated.\n"
        return INTRODUCTION + self.text(absolute=False) + note
