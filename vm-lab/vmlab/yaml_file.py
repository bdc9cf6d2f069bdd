"""A YAML file read into a pydantic model, with the file, line and field of whatever is wrong in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from vmlab.errors import LabError

Model = TypeVar("Model", bound=BaseModel)
Field = tuple[str | int, ...]


def load(path: Path, model: type[Model]) -> Model:
    """The file as `model`; any mistake in it is a `LabError` that names file, line and field."""
    try:
        root = yaml.compose(path.read_text(), Loader=yaml.SafeLoader)
    except OSError as error:
        raise LabError(f"{path}: {error.strerror}", do="Give the path of a YAML file.") from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise LabError(f"{path}:{line}: not YAML: {error.problem}") from None
    if not isinstance(root, yaml.MappingNode):
        raise LabError(f"{path}:1: expected keys and values, as in `machines: [...]`")
    lines = dict(_lines(root, (), path))
    try:
        return model.model_validate(yaml.safe_load(path.read_text()))
    except ValidationError as error:
        raise LabError("\n".join(_complaints(path, lines, error))) from None


def _lines(node: yaml.Node, field: Field, path: Path) -> Iterator[tuple[Field, int]]:
    """Every field with the line it starts on; a key given twice is a mistake, not a choice."""
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            here, line = (*field, key.value), key.start_mark.line + 1
            if key.value in seen:
                raise LabError(f"{path}:{line}: {_dotted(here)}: given twice", do="Keep one of the two.")
            seen.add(key.value)
            yield here, line
            yield from _lines(value, here, path)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield (*field, index), value.start_mark.line + 1
            yield from _lines(value, (*field, index), path)


def _complaints(path: Path, lines: dict[Field, int], error: ValidationError) -> Iterator[str]:
    for found in error.errors():
        field = tuple(found["loc"])
        yield f"{path}:{_line(lines, field)}: {_dotted(field) or 'file'}: {_words(found)}"


def _line(lines: dict[Field, int], field: Field) -> int:
    """The line of the field, or of the nearest thing around it that the file has."""
    while field and field not in lines:
        field = field[:-1]
    return lines.get(field, 1)


def _words(found: Any) -> str:
    known = {"extra_forbidden": "unknown key", "missing": "required, but not given"}
    return known.get(found["type"], str(found["msg"]).removeprefix("Value error, "))


def _dotted(field: Field) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in field)
    return text.removeprefix(".")
