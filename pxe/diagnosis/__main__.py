"""`python -m pxe.diagnosis`: the rules as the table that stands in docs/why.md."""

from __future__ import annotations

from string import Formatter

from pxe.diagnosis.diagnose import RULES
from pxe.diagnosis.rule import Rule
from pxe.milestones import Hop

WORDS = {
    "node": "NODE",
    "seed": "SEED",
    "mac": "MAC",
    "line": "LINE",
    "said": "WHAT IT SAID",
    "url": "http://SEED:8080/boot.ipxe",
}


def table() -> str:
    """Markdown: fault, the hops that it stops, what is said of it, and what to do, the likeliest first."""
    lines = ["| fault | stops | what `why` says | causes, and what to do |", "| --- | --- | --- | --- |"]
    for rule in sorted(RULES, key=lambda rule: list(Hop).index(rule.hops[0])):
        causes = "<br>".join(
            f"{number}. {_plain(c.what)}: {_plain(c.do)}" for number, c in enumerate(rule.causes, 1)
        )
        lines.append(f"| `{rule.id}` | {_stops(rule)} | {_plain(rule.summary)} | {causes} |")
    return "\n".join(lines)


def _stops(rule: Rule) -> str:
    if len(rule.hops) > 3:
        return f"{rule.hops[0]} … {rule.hops[-1]}"
    return ", ".join(rule.hops)


def _plain(text: str) -> str:
    parts = Formatter().parse(text)
    return "".join(before + (WORDS.get(name, name.upper()) if name else "") for before, name, *_ in parts)


if __name__ == "__main__":
    print(table())
