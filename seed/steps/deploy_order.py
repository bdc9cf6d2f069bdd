"""Which of the declared deploy steps follow one of ours; `list_deploy_steps` has found it out."""

from __future__ import annotations

from seed.step import Walk


def after(walk: Walk, step: str) -> tuple[str, ...]:
    """Of the run's steps, those that come right after ours of this name."""
    return tuple(walk.run.args.get("after", {}).get(step, ()))
