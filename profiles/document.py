"""Read a YAML document into a model, strictly: whatever is wrong is told with file, line and key.

A silent default is a wrong disk written, so unknown keys are refused and nothing is guessed.
"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

M = TypeVar("M", bound="Strict")
Location = tuple[str | int, ...]


class Strict(BaseModel):
    """A model that refuses keys it does not know and never changes after it was read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class DocumentError(ValueError):
    """A document that cannot be used; the message has one line for each finding."""


def load(path: Path, model: type[M]) -> M:
    """Read `path` into `model`; raises DocumentError naming file, line and key."""
    try:
        text = path.read_text()
    except OSError as error:
        raise DocumentError(f"{path}: cannot be read: {error.strerror}") from error
    return parse(text, model, source=str(path))


def parse(text: str, model: type[M], *, source: str) -> M:
    """Read YAML `text` into `model`; `source` is the name that errors give to the text."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        content = {} if root is None else yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise DocumentError(f"{source}:{line}: not valid YAML: {error.problem}") from error
    if root is not None:
        _refuse_twice(root, source)
    try:
        return model.model_validate(content)
    except ValidationError as error:
        findings = [_describe(finding, root, model, source) for finding in error.errors()]
        raise DocumentError("\n".join(findings)) from None


def _refuse_twice(node: yaml.Node, source: str) -> None:
    """PyYAML lets the last of two equal keys win; here that is an error."""
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if key.value in seen:
                raise DocumentError(f"{source}:{key.start_mark.line + 1}: key '{key.value}' is given twice")
            seen.add(key.value)
            _refuse_twice(value, source)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _refuse_twice(item, source)


def _describe(finding: Any, root: yaml.Node | None, model: type[BaseModel], source: str) -> str:
    where = f"{source}:{_line(root, finding['loc'])}"
    key = ".".join(str(part) for part in finding["loc"]) or "document"
    if finding["type"] == "extra_forbidden":
        return f"{where}: unknown key '{key}'{_suggestion(finding['loc'], model)}"
    if finding["type"] == "missing":
        return f"{where}: key '{key}' is missing"
    return f"{where}: {key}: {finding['msg'].removeprefix('Value error, ')}"


def _line(root: yaml.Node | None, location: Location) -> int:
    """The line of the deepest part of `location` that stands in the document."""
    node, line = root, 1
    for part in location:
        if isinstance(node, yaml.MappingNode):
            found = [(key, value) for key, value in node.value if key.value == str(part)]
            if not found:
                break
            line, node = found[0][0].start_mark.line + 1, found[0][1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
    return line


def _suggestion(location: Location, model: type[BaseModel]) -> str:
    known = _known_keys(model)
    close = difflib.get_close_matches(str(location[-1]), known, n=1)
    return f"; did you mean '{close[0]}'?" if close else ""


def _known_keys(model: type[BaseModel]) -> list[str]:
    """Every key that stands anywhere in `model`."""
    keys = list(model.model_fields)
    for field in model.model_fields.values():
        for candidate in (field.annotation, *getattr(field.annotation, "__args__", ())):
            if isinstance(candidate, type) and issubclass(candidate, BaseModel):
                keys += _known_keys(candidate)
    return keys
