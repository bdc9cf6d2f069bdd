"""How a plan reads: a line for each node that is not as declared, under it what differs and what is lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from seed.plans.plan import NodePlan, Options, Plan, Seconds, Verdict

Line = tuple[int, str, str]  # indent, style, words
INDENT = 4
NAMED = 10  # of the nodes that are not declared


def show_plan(plan: Plan, options: Options, to: Console) -> None:
    """Print a plan, wrapped to a terminal's width; elsewhere each line stays one line."""
    for indent, style, words in (*_nodes(plan), *_others(plan), *_summary(plan, options)):
        if to.is_terminal:
            to.print(Padding(Text(words, style), (0, 0, 0, indent)))
        else:
            to.print(" " * indent + words, markup=False, soft_wrap=True)


def span(seconds: float) -> str:
    """A time as people say it."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def stuck(plan: Plan) -> list[NodePlan]:
    """The nodes because of which a plan cannot be applied."""
    return [node for node in plan.nodes if node.verdict in (Verdict.BUSY, Verdict.BLOCKED)]


def loss(plan: Plan) -> str | None:
    """What is destroyed in all; None when nothing is."""
    acts = [act for node in plan.nodes for act in node.acts if "disk" in act.does or act.serial]
    known = len({act.serial for act in acts if act.serial})
    parts = [many(known, "disk")] if known else []
    parts += ["disks whose serials nobody knows yet"] if any(act.serial is None for act in acts) else []
    return f"What is on {' and on '.join(parts)} is lost." if parts else None


def many(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _nodes(plan: Plan) -> Iterator[Line]:
    for node in plan.nodes:
        if node.verdict is Verdict.SO and not node.differs:
            continue
        yield 0, "red" if node.verdict is Verdict.BLOCKED else "bold", _headline(node)
        for words in node.differs:
            yield INDENT, "", f"- {words}"
        for act in node.acts:
            yield INDENT, "red", f"! {act.verb} {act.does}"


def _headline(node: NodePlan) -> str:
    if node.verdict in (Verdict.BUSY, Verdict.BLOCKED, Verdict.LEFT):
        return f"{node.name}: {node.state}; {node.verdict}: {node.why}"
    if not node.verbs:
        return f"{node.name}: {node.state}"
    way = node.state if node.wanted == node.state else f"{node.state} → {node.wanted}"
    return f"{node.name}: {way} by {', '.join(node.verbs)} ({_expected(node.seconds)})"


def _expected(seconds: Seconds | None) -> str:
    if seconds is None:
        return "time unknown"
    if seconds.p90 - seconds.p10 < 1:
        return span(seconds.median)
    return f"{span(seconds.median)}; {span(seconds.p10)} to {span(seconds.p90)}"


def _others(plan: Plan) -> Iterator[Line]:
    for criteria in plan.missing:
        yield 0, "yellow", f"missing: no enrolled node has {criteria}, which is declared"
    if plan.undeclared and not plan.targets:
        more = f" and {len(plan.undeclared) - NAMED} more" if len(plan.undeclared) > NAMED else ""
        named = ", ".join(plan.undeclared[:NAMED])
        yield 0, "", f"not declared, so left alone: {named}{more}"


def _summary(plan: Plan, options: Options) -> Iterator[Line]:
    counts = Counter(node.verdict for node in plan.nodes)
    said = ", ".join(f"{counts[verdict]} {_counted(verdict)}" for verdict in Verdict if counts[verdict])
    yield 0, "", f"{many(len(plan.nodes), 'declared node')}: {said or 'none is enrolled'}."
    if plan.declares:
        yield 0, "", "The declaration is not the one that the seed has."
    verbs = Counter(verb for node in plan.nodes for verb in node.verbs)
    if verbs:
        asked = ", ".join(f"{count} {verb}" for verb, count in verbs.items())
        yield 0, "", f"To do: {asked}; {_whole(plan, options)}."
    if words := loss(plan):
        yield 0, "red", words


def _counted(verdict: Verdict) -> str:
    return {Verdict.CHANGE: "to be changed", Verdict.BLOCKED: "cannot be brought there"}.get(verdict, verdict)


def _whole(plan: Plan, options: Options) -> str:
    if plan.seconds is None:
        return "how long that takes is not known: not all of that was done here before"
    canary = f", {options.canary} first" if options.canary else ""
    return f"about {span(plan.seconds)} with {many(options.max_parallel, 'node')} at once{canary}"
