"""Values that differ from host to host: `{{ host.name }}`, `{{ node.serial }}`, `{{ host.vars.rack }}`.

Jinja2 in its sandbox, and nothing undefined: what a typing mistake would leave empty is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from jinja2 import StrictUndefined, TemplateError, nodes
from jinja2.meta import find_undeclared_variables
from jinja2.sandbox import ImmutableSandboxedEnvironment
from pydantic import TypeAdapter

HOST = ("name", "hostname", "address", "image", "role", "network", "vars")
NODE = ("uuid", "name", "serial", "system_uuid", "bmc", "vendor", "model", "macs", "boot_mac")
_KNOWN = {"host": HOST, "node": NODE}
_CLOUD_INITS_OWN = "## template:"
_ENVIRONMENT = ImmutableSandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=True)


class BadTemplate(ValueError):
    """A template that cannot be rendered; the message tells which and why."""


def is_template(value: object) -> bool:
    """Whether a value is still to be rendered; cloud-init renders its own kind on the host."""
    return (
        isinstance(value, str) and ("{{" in value or "{%" in value) and not value.startswith(_CLOUD_INITS_OWN)
    )


def or_template(kind: Any) -> Callable[[Any], Any]:
    """A check of values that takes templates as they are: what they become is checked when it is known."""
    adapter: TypeAdapter[Any] = TypeAdapter(kind)
    return lambda value: value if is_template(value) else adapter.validate_python(value)


def templates(value: Any, at: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """All templates inside of a value, each with where it stands."""
    if is_template(value):
        yield at, value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from templates(inner, (*at, key))
    elif isinstance(value, list | tuple):
        for number, inner in enumerate(value):
            yield from templates(inner, (*at, number))


@dataclass(frozen=True)
class _Names:
    """What a template speaks of: names that it does not set itself, and paths such as host.vars.rack."""

    roots: frozenset[str] = frozenset()
    paths: frozenset[tuple[str, ...]] = frozenset()
    error: str | None = None


@lru_cache(4096)
def _names(template: str) -> _Names:
    try:
        tree = _ENVIRONMENT.parse(template)
    except TemplateError as error:
        return _Names(error=str(error))
    paths = {path for found in tree.find_all(nodes.Getattr) if (path := _path(found))}
    return _Names(frozenset(find_undeclared_variables(tree)), frozenset(paths))


def problems(template: str) -> Iterator[str]:
    """What is wrong with a template whatever host it is for."""
    names = _names(template)
    if names.error:
        yield f"this is no template: {names.error} (text with '{{{{' goes into {{% raw %}})"
    for root in sorted(names.roots - _KNOWN.keys()):
        yield f"a template knows no '{root}'; it knows host and node"
    for root, name in sorted({path[:2] for path in names.paths}):
        if name not in _KNOWN[root]:
            yield f"a template knows no '{root}.{name}'; there are: {', '.join(_KNOWN[root])}"


def missing(template: str, variables: Mapping[str, Any]) -> Iterator[str]:
    """The variables that a template needs and a host does not have."""
    for path in sorted(_names(template).paths):
        if path[:2] == ("host", "vars") and len(path) == 3 and path[2] not in variables:
            yield f"the host has no variable '{path[2]}'; it has: {', '.join(variables) or 'none'}"


def _path(attribute: nodes.Expr) -> tuple[str, ...]:
    """host.vars.rack as its names; () for what does not begin with host or node."""
    if isinstance(attribute, nodes.Name):
        return (attribute.name,) if attribute.name in _KNOWN else ()
    if isinstance(attribute, nodes.Getattr) and (before := _path(attribute.node)):
        return (*before, attribute.attr)
    return ()


def render(value: Any, facts: Mapping[str, Mapping[str, Any]], at: tuple[str | int, ...] = ()) -> Any:
    """`value` with all templates inside of it rendered.

    Raises BadTemplate telling where, but not what it says: there may be a password in it.
    """
    if is_template(value):
        try:
            return _ENVIRONMENT.from_string(value).render(facts)
        except (TemplateError, TypeError, ValueError, ArithmeticError) as error:
            words = str(error).replace("'dict object'", "it")  # what is not known of a host or a node
            raise BadTemplate(f"{'.'.join(map(str, at))}: {words}" if at else words) from None
    if isinstance(value, Mapping):
        return {key: render(inner, facts, (*at, key)) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [render(inner, facts, (*at, number)) for number, inner in enumerate(value)]
    return value
