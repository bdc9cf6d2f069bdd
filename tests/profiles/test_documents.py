"""Documents: whatever is wrong is told with file, line and key, all of it at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from profiles.document import DocumentError, load, parse
from profiles.site import Site

DATA = Path(__file__).parents[1] / "data" / "profiles"


def findings(text: str) -> list[str]:
    with pytest.raises(DocumentError) as error:
        parse(text, Site, source="site.yaml")
    return str(error.value).splitlines()


def test_all_mistakes_are_told_in_one_go_by_line() -> None:
    told = findings((DATA / "many-mistakes.yaml").read_text())
    assert told == (DATA / "many-mistakes.txt").read_text().splitlines()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "site.yaml:1: the document is empty"),
        ("# only a comment\n", "site.yaml:1: the document is empty"),
        ("- 1\n", "site.yaml:1: document: must be keys with values"),
        ("hosts:\n", "site.yaml:1: hosts: must be a list"),
        ("hosts:\n- one\n", "site.yaml:2: hosts.0: must be keys with values"),
        ("hosts:\n- name: a\n", "site.yaml:2: key 'hosts.0.match' is missing"),
        ("hosts: [\n", "site.yaml:2: not valid YAML: expected the node content, but found '<stream end>'"),
        ("hosts: []\n---\nhosts: []\n", "site.yaml:2: not valid YAML: but found another document"),
        ("hosts: []\nx: \x07", "site.yaml:2: not valid YAML: special characters are not allowed"),
        ("? [a]\n: b\n", "site.yaml:1: not valid YAML: found unhashable key"),
        ("hosts: &all [*all]\n", "site.yaml:1: hosts.0: must be keys with values"),
        ("hosts: []\nhosts: []\n", "site.yaml:2: key 'hosts' is given twice"),
        ("host: []\n", "site.yaml:1: unknown key 'host'; did you mean 'hosts'?"),
        ("entirely-different: []\n", "site.yaml:1: unknown key 'entirely-different'"),
    ],
)
def test_one_mistake_is_one_line(text: str, told: str) -> None:
    assert findings(text) == [told]


def test_tags_that_make_objects_are_refused() -> None:
    (told,) = findings("hosts: !!python/object/apply:os.getpid []\n")
    assert told.startswith("site.yaml:1: not valid YAML: could not determine a constructor")


def test_a_file_is_named_as_it_was_typed(tmp_path: Path) -> None:
    missing = tmp_path / "missing.yaml"
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"hosts: \xff\xfe")
    for path, why in ((missing, "No such file or directory"), (binary, "it is no UTF-8 text")):
        with pytest.raises(DocumentError) as error:
            load(path, Site)
        assert str(error.value) == f"{path}: cannot be read: {why}"


def test_texts_stay_texts() -> None:
    """By YAML 1.1 this MAC is a number, `no` is false, 0012 is ten and the last one is a date."""
    declared = parse(
        "hosts:\n"
        "- match: {serial: 0012, name: no}\n"
        "  macs: [52:54:00:12:34:56]\n"
        "  image: 2024-01-01\n"
        "  user_data: {packages: [vim], retries: 3, ratio: 1.5, quiet: true, nothing: null, empty: }\n",
        Site,
        source="site.yaml",
    )
    host = declared.hosts[0]
    assert host.match.given() == {"serial": "0012", "name": "no"}
    assert host.macs == ("52:54:00:12:34:56",)
    assert host.image == "2024-01-01"
    assert host.user_data == {
        "packages": ["vim"],
        "retries": 3,
        "ratio": 1.5,
        "quiet": True,
        "nothing": None,
        "empty": None,
    }


def test_anchors_and_merges_are_read() -> None:
    declared = parse(
        "hosts:\n- &one {match: {serial: A}, image: debian-12}\n- {<<: *one, match: {serial: B}}\n",
        Site,
        source="site.yaml",
    )
    assert [(host.match.serial, host.image) for host in declared.hosts] == [
        ("A", "debian-12"),
        ("B", "debian-12"),
    ]


def test_nested_aliases_are_refused_quickly() -> None:
    """Ten lists of ten aliases are 10^10 items when walked one by one."""
    lines = ["l0: &l0 [x]"] + [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]" for n in range(1, 11)]
    assert findings("\n".join(lines)) == [f"site.yaml:{n + 1}: unknown key 'l{n}'" for n in range(11)]
