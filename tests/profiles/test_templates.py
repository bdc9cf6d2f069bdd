"""Templates: one profile for many hosts; what would come out empty or wrong is refused where it stands."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from profiles.document import DocumentError, load, parse
from profiles.hosts import Host
from profiles.site import Site

NODE = {
    "uuid": "u-1",
    "name": "node-1",
    "serial": "S1",
    "macs": ["52:54:00:00:00:01"],
    "boot_mac": "52:54:00:00:00:01",
}


def read(text: str) -> Site:
    return parse(text, Site, source="site.yaml")


def told(text: str) -> list[str]:
    with pytest.raises(DocumentError) as error:
        read(text)
    return str(error.value).splitlines()


def host_of(**declared: Any) -> Host:
    (host,) = Site.model_validate({"hosts": [{"match": {"serial": "S1"}, **declared}]}).filled()
    return host


def test_one_profile_becomes_different_hosts() -> None:
    site = read(
        "profiles:\n"
        "  base: {vars: {rack: r0, mtu: 1500}}\n"
        "  worker:\n"
        "    extends: base\n"
        "    vars: {rack: r1}\n"
        "    user_data:\n"
        "      fqdn: '{{ host.name }}.{{ host.vars.rack }}.example.com'\n"
        "      write_files: [{path: /etc/serial, content: '{{ node.serial }}'}]\n"
        "    interfaces:\n"
        "    - {name: eno1, mac: '{{ node.boot_mac }}', addresses: ['{{ host.vars.storage }}/24']}\n"
        "hosts:\n"
        "- {match: {serial: S1}, profile: worker, name: one, vars: {storage: 192.0.2.7}}\n"
        "- {match: {serial: S2}, profile: worker, vars: {storage: 192.0.2.8, rack: r9}}\n"
    )
    one, two = (host.rendered(NODE) for host in site.filled())
    assert one.user_data == {
        "fqdn": "one.r1.example.com",
        "write_files": [{"path": "/etc/serial", "content": "S1"}],
    }
    assert isinstance(two.user_data, dict)
    assert two.user_data["fqdn"] == "node-1.r9.example.com"
    assert one.interfaces[0].mac == "52:54:00:00:00:01"
    assert [host.interfaces[0].addresses for host in (one, two)] == [("192.0.2.7/24",), ("192.0.2.8/24",)]
    assert one.vars == {"rack": "r1", "mtu": 1500, "storage": "192.0.2.7"}


def test_what_no_host_could_make_of_it_is_told_where_it_stands() -> None:
    assert told(
        "profiles:\n"
        "  worker:\n"
        "    user_data:\n"
        "      a: '{{ hots.name }}'\n"
        "      b: '{{ node.seriall }}'\n"
        "      c: '{{ host.name'\n"
        "    ssh_keys: ['ssh-ed25519 AAAA {{ host.vars.owner }}']\n"
        "hosts:\n"
        "- {match: {serial: S1}, profile: worker, vars: {owner: me}}\n"
        "- {match: {serial: S2}, profile: worker}\n"
    ) == [
        "site.yaml:4: profiles.worker.user_data.a: a template knows no 'hots'; it knows host and node",
        "site.yaml:5: profiles.worker.user_data.b: a template knows no 'node.seriall'; there are: uuid, "
        "name, serial, system_uuid, bmc, vendor, model, macs, boot_mac",
        "site.yaml:6: profiles.worker.user_data.c: this is no template: unexpected end of "
        "template, expected 'end of print statement'. (text with '{{' goes into {% raw %})",
        "site.yaml:7: profiles.worker.ssh_keys.0: serial S2: the host has no variable 'owner'; it has: none",
    ]


def test_what_is_not_known_of_a_node_is_not_left_empty() -> None:
    host = host_of(user_data={"users": [{"passwd": "hunter2{{ node.vendor }}"}]})
    with pytest.raises(ValueError, match=r"user_data: users\.0\.passwd: it has no attribute 'vendor'") as no:
        host.rendered(NODE)
    assert "hunter2" not in str(no.value)


def test_what_comes_out_must_be_such_a_value() -> None:
    host = host_of(
        vars={"id": "5000"},
        interfaces=[{"name": "a"}, {"name": "a.x", "vlan": {"id": "{{ host.vars.id }}", "link": "a"}}],
    )
    with pytest.raises(ValueError, match=r"interfaces.1.vlan.id: Input should be less than or equal to 4094"):
        host.rendered(NODE)


def test_templates_reach_nothing_else() -> None:
    for escape in ("{{ host.__class__.__mro__ }}", "{{ ''.__class__.__mro__[1].__subclasses__() }}"):
        with pytest.raises((ValueError, DocumentError)):
            host_of(user_data={"a": escape}).rendered(NODE)


def test_other_texts_with_braces_stay_as_they_are() -> None:
    text = "## template: jinja\n#cloud-config\nfqdn: {{ v1.local_hostname }}\n"
    assert host_of(user_data=text).rendered(NODE).user_data == text
    raw = host_of(user_data="#!/bin/sh\n{% raw %}docker ps --format '{{.Names}}'{% endraw %}\n")
    assert raw.rendered(NODE).user_data == "#!/bin/sh\ndocker ps --format '{{.Names}}'\n"


# -- user data -----------------------------------------------------------------------------------------


def test_a_file_of_user_data_is_read_beside_the_declaration(tmp_path: Path) -> None:
    (tmp_path / "first-boot.sh").write_text("#!/bin/sh\necho {{ host.name }}\n")
    (tmp_path / "site.yaml").write_text(
        "hosts:\n- {match: {serial: S1}, name: one, user_data_file: first-boot.sh}\n"
    )
    site = load(tmp_path / "site.yaml", Site)
    assert site.hosts[0].rendered(NODE).user_data == "#!/bin/sh\necho one\n"
    assert site.document()["hosts"][0]["user_data"].startswith("#!/bin/sh")
    assert Site.model_validate(site.document()) == site


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"\xff\xfe", "is no UTF-8 text"),
        (b"echo hello\n", "a text that begins with 'echo hello'"),
        (b"#cloud-config\na: [\n", "it is no YAML: line 3"),
        (b"#cloud-config\n- a\n", "must be keys with values"),
        (b"#!/bin/sh\n" + b"x" * 70_000, "68 KiB are more than the 64 KiB"),
    ],
)
def test_user_data_that_cloud_init_would_ignore(tmp_path: Path, content: bytes | None, why: str) -> None:
    if content is not None:
        (tmp_path / "data").write_bytes(content)
    (tmp_path / "site.yaml").write_text("hosts:\n- match: {serial: S1}\n  user_data_file: data\n")
    with pytest.raises(DocumentError) as error:
        load(tmp_path / "site.yaml", Site)
    assert str(error.value).startswith(f"{tmp_path}/site.yaml:3: hosts.0.user_data_file: ")
    assert why in str(error.value)


def test_the_seed_reads_no_files_of_those_who_ask(tmp_path: Path) -> None:
    assert told("hosts:\n- match: {serial: S1}\n  user_data_file: /etc/shadow\n") == [
        "site.yaml:3: hosts.0.user_data_file: no files are read here: write it as user_data"
    ]
