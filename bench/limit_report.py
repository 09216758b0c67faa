"""Results with a limit for each: traffic as bits and connections per second, and calls in microseconds."""

from overlay_report import lines


class LimitReport:
    """`best`: bits and connections per second, `calls`: microseconds by verb and what is on the host.

    Subclasses have a `heading` and `limits`, which yields titles, limits, values and whether these reach the limits.
    """

    def __init__(self, found):
        self.best, self.calls = found

    def text(self, absolute):
        rows = [[self.heading, "limit", "is", ""]]
        rows += [[title, limit, f"{value:.2f}", "reached" if reached else "**not reached**"]
                 for title, limit, value, reached in self.limits()]
        shown = lines(rows) + "\n"
        if absolute:
            shown += "".join(f"\n{name}: {bits / 1e9:.1f} Gbit/s, {rate:.0f} connections/s"
                             for name, (bits, rate) in self.best.items())
            shown += "".join(f"\n{verb} {name}: {value / 1000:.2f} ms" for (verb, name), value in self.calls.items()) + "\n"
        return shown
