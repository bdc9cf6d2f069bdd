"""`undercloud plan` and `undercloud apply`: from what should be true to what is done about it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from rich.console import Console
from typer.core import TyperCommand

from bootstrap.cli import rollout
from bootstrap.cli.console import CommandError, Format, Output, client, err, out, show_json
from bootstrap.cli.follow import newest_event
from bootstrap.cli.plan_view import many, show_plan, stuck
from bootstrap.client import Client
from profiles.document import DocumentError, load
from profiles.site import Site
from seed.plans.plan import Options, Plan, Verdict

NOTHING, FAILED, PENDING = 0, 1, 2

Targets = Annotated[list[str] | None, typer.Option("--target", help="Only this node; may be repeated.")]
Parallel = Annotated[int, typer.Option("--max-parallel", min=1, help="Nodes under way at once.")]
Canary = Annotated[
    int, typer.Option("--canary", min=0, help="So many nodes first, to their ends; the rest if all succeed.")
]
Strict = Annotated[
    bool, typer.Option("--strict", help="A declared machine that is not enrolled is an error.")
]

PLAN_EXAMPLES = """
Examples:

    undercloud plan site.yaml

    undercloud plan site.yaml --target node-1 --out tonight.plan
"""
APPLY_EXAMPLES = """
Examples:

    undercloud apply site.yaml --canary 1 --max-parallel 20

    undercloud apply tonight.plan --yes
"""


class Planning(TyperCommand):
    """A mistake on the command line must not look like `changes pending`: click's exit code for it is 2."""

    def make_context(self, *arguments: Any, **more: Any) -> Any:
        try:
            return super().make_context(*arguments, **more)
        except Exception as error:
            if getattr(error, "exit_code", None) == PENDING:
                error.exit_code = FAILED  # type: ignore[attr-defined]
            raise


def register(app: typer.Typer) -> None:
    app.command("plan", cls=Planning, epilog=PLAN_EXAMPLES)(plan)
    app.command("apply", epilog=APPLY_EXAMPLES)(apply)


def plan(
    ctx: typer.Context,
    site: Annotated[Path, typer.Argument(help="What should be true (YAML).")],
    target: Targets = None,
    save: Annotated[
        Path | None, typer.Option("--out", help="Save the plan, for `undercloud apply FILE` later.")
    ] = None,
    max_parallel: Parallel = Options().max_parallel,
    canary: Canary = 0,
    strict: Strict = False,
    output: Output = Format.TABLE,
) -> None:
    """Say what `apply` would do to each node, how long it takes and what it destroys; change nothing.

    Exit code 0: there is nothing to do, 2: there is, 1: something is wrong.
    """
    options = Options(max_parallel=max_parallel, canary=canary)
    made = _plan(client(ctx), site, target or [], options)
    if output is Format.JSON:
        show_json(made.model_dump(mode="json", exclude={"site"}))  # its user data is not for every log
    else:
        show_plan(made, options, out)
    if save is not None:
        _save(made, save)
        words = f"Saved: `undercloud apply {save}` does this and nothing else, as long as the facts hold."
        err.print(words, markup=False, soft_wrap=True)
    raise typer.Exit(_code(made, strict=strict))


def apply(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="What should be true (YAML), or a plan that was saved.")],
    target: Targets = None,
    max_parallel: Parallel = Options().max_parallel,
    canary: Canary = 0,
    failure_budget: Annotated[
        int, typer.Option(min=0, help="When more nodes than this have failed, start no further ones.")
    ] = 0,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Follow it to its end.")] = True,
    strict: Strict = False,
    output: Output = Format.TABLE,
) -> None:
    """Bring every declared node where it should be; do nothing, and say so, where that is true already.

    The seed carries it out: Ctrl-C stops only the watching. A node that fails is left as it is, and so are
    those whose turn had not come; after the repair, apply goes on from there. Exit code 0: all is done.
    """
    api, to = client(ctx), err if output is Format.JSON else out
    options = Options(max_parallel=max_parallel, canary=canary, failure_budget=failure_budget)
    made = _saved(file)
    if made is None:
        made = _plan(api, file, target or [], options)
    elif target:
        raise CommandError(f"{file} is a plan, and says itself which nodes: give --target when you plan")
    show_plan(made, options, to)
    _refuse(made, strict=strict)
    ended = None
    if made.pending:
        _confirm(made, yes=yes, to=to)
        ended = _carry_out(api, made, options, to, wait=wait)
    else:
        to.print("Nothing to do: all is as declared.", style="green")
    if output is Format.JSON:
        show_json({"rollout": ended})
    if ended and ended["state"] in ("failed", "stopped"):
        raise typer.Exit(FAILED)


def _carry_out(
    api: Client, made: Plan, options: Options, to: Console, *, wait: bool
) -> dict[str, Any] | None:
    """The rollout of a plan as far as it was followed; None when no machine had to be touched."""
    since = newest_event(api)
    begun = api.post("/rollouts", {"plan": made.document(), "options": options.model_dump()})["rollout"]
    if begun is None:
        to.print("The declaration is stored; no machine had to be touched.")
        return None
    to.print(f"Rollout {begun['id']} begins: {many(sum(begun['counts'].values()), 'node')}.")
    if not api.seed_runs:
        err.print("No seed runs, so nothing moves yet: `undercloud seed start`", style="yellow")
    followed: dict[str, Any] = rollout.follow(api, begun, since, to) if wait and api.seed_runs else begun
    return followed


def _plan(api: Client, file: Path, targets: list[str], options: Options) -> Plan:
    site = load(file, Site)
    body = {"site": site.document(), "targets": targets, "options": options.model_dump()}
    return Plan.model_validate(api.post("/plans", body))


def _save(made: Plan, path: Path) -> None:
    """With the whole declaration, so for its owner alone."""
    staged = path.with_name(f".{path.name}.new")
    staged.touch(mode=0o600)
    staged.chmod(0o600)
    staged.write_text(json.dumps(made.document(), indent=1) + "\n", encoding="utf-8")
    staged.replace(path)


def _saved(path: Path) -> Plan | None:
    """The plan in this file; None when it is a declaration."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(content, dict) or "format" not in content:
        return None
    try:
        return Plan.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise DocumentError(f"{path}: no plan of this release: {place}: {first['msg']}; plan again") from None


def _code(made: Plan, *, strict: bool) -> int:
    if any(node.verdict is Verdict.BLOCKED for node in made.nodes) or (strict and made.missing):
        return FAILED
    return PENDING if made.pending or stuck(made) else NOTHING


def _refuse(made: Plan, *, strict: bool) -> None:
    if found := stuck(made):
        raise CommandError(
            f"nothing was changed: {many(len(found), 'node')} cannot be brought there now (see above); wait, "
            "put that right, or leave them out: by --target, or by `maintenance: REASON` in the declaration"
        )
    if strict and made.missing:
        raise CommandError(f"nothing was changed: no enrolled node has {', '.join(made.missing)}")


def _confirm(made: Plan, *, yes: bool, to: Console) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise CommandError("nothing was changed: nobody can be asked here, so say --yes if this is meant")
    nodes = sum(node.pending for node in made.nodes)
    question = f"Apply this to {many(nodes, 'node')}?" if nodes else "Store this declaration?"
    if not typer.confirm(question, default=False, err=to is err):
        raise CommandError("nothing was changed")
