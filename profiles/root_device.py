"""Which disk gets the operating system: Ironic's root device hints and their operators.

Names and operators: Ironic, doc/source/install/root-device-hints.rst; compared as ironic-python-agent does
(`device_hints.py`), by oslo.utils' `specs_matcher`.
"""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import quote

from oslo_utils import specs_matcher
from pydantic import AfterValidator, Field, model_validator

from hwdrivers.inventory import Disk
from profiles.document import Strict

GIB = 1024**3

_TEXT = ("s==", "s!=", "s<=", "s>=", "s<", "s>", "<in>", "<or>", "<all-in>")
_NUMBER = ("==", "!=", "<=", ">=", "=", "<", ">", "<or>", "<range-in>")
_OPERATOR = re.compile(r"(<[a-z-]+>|s?[=!<>]+)\s*")
_RANGE = re.compile(r"[\[(] *\d+ +\d+ *[\])]")


def _text(expression: str) -> str:
    operator, operands = _parts(expression)
    _check(expression, operator, operands, _TEXT)
    return expression.strip()


def _number(expression: int | str) -> int | str:
    if isinstance(expression, int) and expression > 0:
        return expression
    expression = str(expression)
    operator, operands = _parts(expression)
    _check(expression, operator, operands, _NUMBER)
    if operator == "<range-in>":
        if not _RANGE.fullmatch(operands[0]):
            raise ValueError(f"'{expression}': write a range of GiB as '<range-in> [ 400 500 ]'")
    elif not all(operand.isdecimal() and int(operand) for operand in operands):
        raise ValueError(f"'{expression}' is no number of GiB, with or without an operator such as '>= 400'")
    return expression.strip()


def _parts(expression: str) -> tuple[str, list[str]]:
    """Operator ("" for plain equality) and operands."""
    found = _OPERATOR.match(expression.strip())
    if found is None:
        return "", [expression.strip()]
    rest = expression.strip()[found.end() :]
    return found[1], [part.strip() for part in (rest.split("<or>") if found[1] == "<or>" else [rest])]


def _check(expression: str, operator: str, operands: list[str], known: tuple[str, ...]) -> None:
    if operator not in ("", *known):
        raise ValueError(
            f"'{expression}': there is no operator '{operator}' here; there are: {' '.join(known)}"
        )
    if not all(operands):
        raise ValueError(f"'{expression}': there is nothing to compare with")


Text = Annotated[str, AfterValidator(_text)]
GiB = Annotated[int | str, Field(union_mode="left_to_right"), AfterValidator(_number)]


class RootDevice(Strict):
    """Hints; all given must hold. A plain value means that it is equal, but for case; sizes are in GiB."""

    serial: Text | None = None
    wwn: Text | None = None
    wwn_with_extension: Text | None = None
    wwn_vendor_extension: Text | None = None
    name: Text | None = None
    by_path: Text | None = None
    hctl: Text | None = None
    model: Text | None = None
    vendor: Text | None = None
    size: GiB | None = None
    min_size_gib: int | None = Field(default=None, ge=1)
    max_size_gib: int | None = Field(default=None, ge=1)
    rotational: bool | None = None

    @model_validator(mode="after")
    def _some_size(self) -> RootDevice:
        if self.min_size_gib and self.max_size_gib and self.min_size_gib > self.max_size_gib:
            raise ValueError(f"no disk has at least {self.min_size_gib} and at most {self.max_size_gib} GiB")
        return self

    def fits(self, disk: Disk) -> bool:
        """Whether all that is hinted is known of this disk and holds."""
        return all(self._holds(hint, value, disk) for hint, value in self if value is not None)

    def _holds(self, hint: str, wanted: str | int | bool, disk: Disk) -> bool:
        if hint == "rotational":
            return disk.rotational is wanted
        if hint in ("size", "min_size_gib", "max_size_gib"):
            return disk.size_bytes is not None and _size_holds(hint, wanted, disk.size_bytes)
        said = getattr(disk, hint)
        return said is not None and _text_holds(said, str(wanted))


def _size_holds(hint: str, wanted: str | int, size: int) -> bool:
    if hint == "min_size_gib":
        return size >= int(wanted) * GIB
    if hint == "max_size_gib":
        return size <= int(wanted) * GIB
    operator, operands = _parts(str(wanted))
    if operator in ("", "<or>"):  # disks are no round number of GiB: what is said of one is its whole part
        return str(size // GIB) in {str(int(operand)) for operand in operands}
    if operator == "<range-in>":  # which the library takes apart at blanks
        operands = [re.sub(r"([\[\]()])", r" \1 ", operands[0])]
    return specs_matcher.match(str(size / GIB), f"{operator} {operands[0]}")


def _text_holds(said: str, wanted: str) -> bool:
    """Without regard to case, as the agent compares; quoted, since to the library a blank ends a value."""
    operator, operands = _parts(wanted.lower())
    if not operator:
        return said.lower() == operands[0]
    if operator == "<all-in>":  # in the words of the value
        return specs_matcher.match(str(said.lower().split()), f"<all-in> {operands[0]}")
    spec = " ".join(f"{operator} {quote(operand, safe='')}" for operand in operands)
    return specs_matcher.match(quote(said.lower(), safe=""), spec)
