"""How YAML texts become values: by the core schema of YAML 1.2 (section 10.3.2), not by that of 1.1.

By 1.1, which PyYAML follows, the MAC 52:54:00:12:34:56 is a number (base 60), the name `no` is false, the
serial 0012 is ten and 2024-01-01 is a date.
"""

from __future__ import annotations

import re

import yaml


class Loader(yaml.SafeLoader):
    """Plain values only; texts stay texts unless they are null, true, false or a decimal number."""

    yaml_implicit_resolvers = {}  # noqa: RUF012 - PyYAML's own way to say it


for _tag, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", "~nN\0"),
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?(0|[1-9][0-9]*)", "-+0123456789"),
    ("float", r"[-+]?(0|[1-9][0-9]*)(\.[0-9]+([eE][-+]?[0-9]+)?|[eE][-+]?[0-9]+)", "-+0123456789"),
    ("merge", r"<<", "<"),
):
    Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"(?:{_pattern})\Z"), list(_first))
# An empty value has no first character; PyYAML asks for '' then.
Loader.yaml_implicit_resolvers[""] = [
    ("tag:yaml.org,2002:null", re.compile(r"\Z")),
]
