"""TCP between containers of one bridge as a table, and whether it reaches the limits."""

from overlay_report import lines

LEAST = 1.0

INTRODUCTION = """## Containers of one bridge

`bridge` with `ipMasq`, frames between its containers passed to the packet filter (br_netfilter), compared with the same
without `ipMasq`: no rules, no connection tracking. Counted as for overlays; above 1 is better.

"""


class BridgeReport:
    def __init__(self, best):
        self.best = best

    def ratios(self, who, other):
        return [mine / theirs for mine, theirs in zip(self.best[who], self.best[other])]

    def text(self, absolute):
        words = ["one TCP stream", "connections"]
        rows = [["/ without rules", *words]]
        for who, title in (("ours", "ours"), ("peer", "reference")):
            rows.append([title, *(f"{ratio:.2f}" for ratio in self.ratios(who, "none"))])
        limits = [["must reach", "at least", "is", ""]]
        for word, value in zip(words, self.ratios("ours", "peer")):
            limits.append([f"{word} / reference", f"{LEAST}", f"{value:.2f}", "reached" if value >= LEAST else "**not reached**"])
        return f"{lines(rows)}\n\n{lines(limits)}\n"

    def document(self):
        return INTRODUCTION + self.text(absolute=False)
