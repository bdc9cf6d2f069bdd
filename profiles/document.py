"""Read a YAML document into a model, strictly: whatever is wrong is told with file, line and key.

A silent default is a wrong disk written, so unknown keys are refused and nothing is guessed.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from profiles.yaml_loader import Loader

M = TypeVar("M", bound=BaseModel)
Location = tuple[str | int, ...]

# pydantic's words for programmers, in words for whoever wrote the file.
_WORDS = {
    "model_type": "must be keys with values",
    "dict_type": "must be keys with values",
    "tuple_type": "must be a list",
    "list_type": "must be a list",
}


class Strict(BaseModel):
    """A model that refuses keys it does not know and never changes after it was read."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class DocumentError(ValueError):
    """A document that cannot be used; the message has one line for each finding."""


@dataclass(frozen=True)
class Finding:
    """Something wrong at a place of a document that a single field cannot see."""

    location: Location
    message: str


def refuse(model: str, findings: Iterable[Finding]) -> None:
    """For validators of whole models: raise all findings, each at its own place, if there are any."""
    details = [
        InitErrorDetails(
            type=PydanticCustomError("inconsistent", "{words}", {"words": finding.message}),
            loc=finding.location,
            input=None,
        )
        for finding in findings
    ]
    if details:
        raise ValidationError.from_exception_data(model, details)


def load(path: Path, model: type[M]) -> M:
    """Read `path` into `model`; raises DocumentError naming file, line and key."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise DocumentError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DocumentError(f"{path}: cannot be read: it is no UTF-8 text") from error
    return parse(text, model, source=str(path), folder=path.parent)


def parse(text: str, model: type[M], *, source: str, folder: Path | None = None) -> M:
    """Read YAML `text` into `model`; `source` is the name that errors give to the text.

    `folder` is where files are that the document names; None: it can name none.
    """
    root, content, findings = _compose(text, source)
    try:
        declared = model.model_validate(content, context={"folder": folder})
    except ValidationError as error:
        findings += [_describe(finding, root, model) for finding in error.errors()]
    if findings:
        raise DocumentError("\n".join(f"{source}:{line}: {words}" for line, words in sorted(findings)))
    return declared


def _compose(text: str, source: str) -> tuple[yaml.Node, Any, list[tuple[int, str]]]:
    """The document as nodes, which know their lines, as values, and with the keys that are given twice."""
    try:
        loader = Loader(text)
        root = loader.get_single_node()
        if root is None:
            raise DocumentError(f"{source}:1: the document is empty")
        repeated = list(_repeated_keys(root, set()))  # before merges (<<) are resolved in place
        return root, loader.construct_document(root), repeated
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise DocumentError(f"{source}:{line}: not valid YAML: {error.problem}") from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise DocumentError(f"{source}:{line}: not valid YAML: {error.reason}") from error


def _repeated_keys(node: yaml.Node, visited: set[int]) -> Iterator[tuple[int, str]]:
    """PyYAML lets the last of two equal keys win; here that is an error."""
    if id(node) in visited:  # an alias
        return
    visited.add(id(node))
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if str(key.value) in seen:
                yield key.start_mark.line + 1, f"key '{key.value}' is given twice"
            seen.add(str(key.value))
            yield from _repeated_keys(value, visited)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _repeated_keys(item, visited)


def _describe(finding: Any, root: yaml.Node, model: type[BaseModel]) -> tuple[int, str]:
    location = finding["loc"]
    line = _line(root, location)
    key = ".".join(str(part) for part in location) or "document"
    if finding["type"] == "extra_forbidden":
        return line, f"unknown key '{key}'{_suggestion(location, model)}"
    if finding["type"] == "missing":
        return line, f"key '{key}' is missing"
    if finding["type"] == "string_type" and isinstance(finding["input"], int | float):
        return line, f"{key}: must be a text; write it in quotes"
    words = _WORDS.get(finding["type"], finding["msg"].removeprefix("Value error, "))
    return line, f"{key}: {words}"


def _line(root: yaml.Node, location: Location) -> int:
    """The line of the deepest part of `location` that stands in the document."""
    node, line = root, 1
    for part in location:
        if isinstance(node, yaml.MappingNode):
            found = [(key, value) for key, value in node.value if key.value == str(part)]
            if not found:
                break
            line, node = found[-1][0].start_mark.line + 1, found[-1][1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
    return line


def _suggestion(location: Location, model: type[BaseModel]) -> str:
    close = difflib.get_close_matches(str(location[-1]), _known_keys(model, location[:-1]), n=1, cutoff=0.7)
    return f"; did you mean '{close[0]}'?" if close else ""


def _known_keys(model: type[BaseModel], location: Location) -> list[str]:
    """The keys that may stand at `location`."""
    for part in location:
        field = model.model_fields.get(str(part))
        if field is not None:  # else the number of an item, or a name that the document chose
            model = next(_models(field.annotation), model)
    return list(model.model_fields)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models that an annotation such as `tuple[Host, ...]` or `RootDevice | None` speaks of."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)
