"""Values that differ from host to host: `{{ host.name }}`, `{{ node.serial }}`, `{{ host.vars.rack }}`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import TypeAdapter


def is_template(value: object) -> bool:
    """Whether a value is still to be rendered."""
    return isinstance(value, str) and ("{{" in value or "{%" in value)


def or_template(kind: Any) -> Callable[[Any], Any]:
    """A check of values that takes templates as they are: what they become is checked when it is known."""
    adapter: TypeAdapter[Any] = TypeAdapter(kind)
    return lambda value: value if is_template(value) else adapter.validate_python(value)
