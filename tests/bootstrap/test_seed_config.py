"""The seed's configuration: wrong ones are told by file, line and key; what is left out is computed."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootstrap.config import read
from bootstrap.provisioning import default_range
from profiles.document import DocumentError

GOOD = """\
provisioning:
  interface: prov0
  address: 192.0.2.1/24
  dhcp_range: [192.0.2.192, 192.0.2.254]
state_dir: /var/lib/undercloud
socket: /run/undercloud/seed.sock
"""


SUBNETS = (
    "subnets: [{network: 198.51.100.0/24, router: 198.51.100.1, "
    "dhcp_range: [198.51.100.100, 198.51.100.200]}]"
)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("state_dir", "state_dri"), "5: unknown key 'state_dri'; did you mean 'state_dir'?"),
        (("interface", "interfaces"), "1: key 'provisioning.interface' is missing"),
        (("interface", "interfaces"), "2: unknown key 'provisioning.interfaces'; did you mean 'interface'?"),
        (("socket:", "state_dir:"), "6: key 'state_dir' is given twice"),
        (("192.0.2.254", "192.0.3.254"), "1: provisioning: dhcp_range: 192.0.3.254 is not in 192.0.2.0/24"),
        (("192.0.2.254", "192.0.2.19"), "1: provisioning: dhcp_range: 192.0.2.192 comes after 192.0.2.19"),
        (
            ("[192.0.2.192", "[192.0.2.0"),
            "1: provisioning: dhcp_range 192.0.2.0-192.0.2.254 contains the seed's own address 192.0.2.1",
        ),
        (
            ("  dhcp_range: [192.0.2.192, 192.0.2.254]\n", ""),
            "1: provisioning: dhcp_range: the addresses to lease are needed, since `dhcp` is server",
        ),
        (
            ("  interface", "  dhcp: proxy\n  interface"),
            "1: provisioning: dhcp_range: nothing is leased, since `dhcp` is proxy; leave it out",
        ),
        (
            ("  interface", "  dhcp: relay\n  interface"),
            "1: provisioning: subnets: the networks behind relays are needed, since `dhcp` is relay",
        ),
        (
            ("  interface", f"  {SUBNETS}\n  interface"),
            "1: provisioning: subnets are behind relays, but `dhcp` is server; write `dhcp: relay`",
        ),
        (
            ("  interface", f"  {SUBNETS.replace('.1,', '.150,')}\n  interface"),
            "2: provisioning.subnets.0: dhcp_range contains the router 198.51.100.150",
        ),
        (
            ("  interface", f"  dhcp: relay\n  {SUBNETS.replace('198.51.100', '192.0.2')}\n  interface"),
            "1: provisioning: subnets: 192.0.2.0/24 overlaps 192.0.2.0/24; each network has one router",
        ),
        (
            ("  interface", "  files_port: 8080\n  interface"),
            "1: provisioning: files_port 8080 must be another port than http_port",
        ),
        (("/var/lib", "var/lib"), "5: state_dir: var/lib/undercloud is relative; write the whole path"),
        (("seed.sock", "s" * 100), "6: socket: /run/undercloud/" + "s" * 100 + " is longer than the 107"),
        (("192.0.2.1/24", "here"), "3: provisioning.address: Input is not a valid IPv4 interface"),
        (("provisioning:", "provisioning: ["), "3: not valid YAML"),
        (("socket:", "database_password_file: pass\nsocket:"), "6: database_password_file: pass is relative"),
        (
            ("socket:", "database_password_file: /pass\nsocket:"),
            "1: document: database_password_file: there is no `database` that it could be for",
        ),
        (
            ("socket:", "power_sync: {interval: 0.1}\nsocket:"),
            "6: power_sync.interval: 0.1 s would keep BMCs busy; 0 (never), or 1 s at least",
        ),
        *(
            (("socket:", f"database: {url}\nsocket:"), f"6: database: {told}")
            for url, told in (
                ("sqlite:///var/lib/store", "write it as postgresql://USER@HOST:PORT/NAME or"),
                ("postgres://host/undercloud", "write it as postgresql://"),
                ("postgresql://host", "write it as postgresql://"),
                ("undercloud", "write it as postgresql://"),
                ("postgresql://host:pgport/undercloud", "is no URL such as postgresql://USER"),
                ("postgresql://[::1/undercloud", "is no URL such as postgresql://USER"),
            )
        ),
    ],
)
def test_a_mistake_is_told_by_file_line_and_key(tmp_path: Path, change: tuple[str, str], told: str) -> None:
    path = tmp_path / "undercloud.yaml"
    path.write_text(GOOD.replace(*change))
    with pytest.raises(DocumentError) as error:
        read(path)
    lines = str(error.value).splitlines()
    assert [line for line in lines if line.startswith(f"{path}:{told}")], lines


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://seed:hunter2@host/undercloud",
        "postgresql:///undercloud?host=/run/postgresql&password=hunter2",
        "postgresql:///undercloud?sslpassword=hunter2",
        "postgres://seed:hunter2@host",
    ],
)
def test_a_password_in_the_url_is_refused_and_not_repeated(tmp_path: Path, url: str) -> None:
    path = tmp_path / "undercloud.yaml"
    path.write_text(f"{GOOD}database: {url}\n")
    with pytest.raises(DocumentError, match="7: database: holds a password, which would end up in") as no:
        read(path)
    assert "hunter2" not in str(no.value)
    path.write_text(
        path.read_text().replace("hunter2@", "hunter2/3?4@")
    )  # what no library reads as a password
    with pytest.raises(DocumentError) as no:
        read(path)
    assert "hunter2" not in str(no.value)


def test_the_store_is_a_file_or_what_database_names(tmp_path: Path) -> None:
    path = tmp_path / "undercloud.yaml"
    path.write_text(GOOD)
    assert read(path).store == Path("/var/lib/undercloud/undercloud.sqlite")
    path.write_text(f"{GOOD}database: postgresql:///undercloud?host=/run/postgresql\n")
    assert read(path).store == "postgresql:///undercloud?host=/run/postgresql"
    path.write_text(f"{GOOD}database: postgresql://seed@[2001:db8::1]:5433/undercloud\n")
    assert read(path).store == "postgresql://seed@[2001:db8::1]:5433/undercloud"


# As `undercloud init` of the release before wrote it.
WRITTEN = """\
# undercloud's configuration; `undercloud init` reads it again.
provisioning:
  interface: prov0
  address: 192.0.2.1/24
  dhcp_range:
  - 192.0.2.192
  - 192.0.2.254
  http_port: 65535
  service_address: 192.0.2.2
state_dir: /var/lib/undercloud
database: null
database_password_file: null
images_dir: /var/lib/undercloud/images
socket: /run/undercloud/seed.sock
ramdisk:
  image: ramdisk-cloud
  kernel_arguments:
  - console=tty0
  - console=ttyS0,115200
  - no_timer_check
fast_track: true
limits:
  ramdisk_boots: 50
  image_writes: 20
power_sync:
  interval: 45.0
  faulty_after: 3
clean_priorities: {}
burn_in:
- step: burnin_cpu
  interface: deploy
  args:
    agent_burnin_cpu_timeout: 3600
"""


def test_what_the_release_before_wrote_is_read(tmp_path: Path) -> None:
    path = tmp_path / "undercloud.yaml"
    path.write_text(WRITTEN)
    provisioning = read(path).provisioning
    assert (provisioning.dhcp, provisioning.uefi_loader) == ("server", "ipxe")
    assert provisioning.files_url == "http://192.0.2.2:65534"  # beside the last port
    assert provisioning.serves_tftp
    assert not provisioning.inspects_unknown


def test_an_empty_file_is_no_configuration(tmp_path: Path) -> None:
    path = tmp_path / "undercloud.yaml"
    path.touch()
    with pytest.raises(DocumentError, match=f"{path}:1: the document is empty"):
        read(path)


def test_a_good_one_is_read(tmp_path: Path) -> None:
    path = tmp_path / "undercloud.yaml"
    path.write_text(GOOD)
    config = read(path)
    assert config.provisioning.base_url == "http://192.0.2.1:8080"
    assert config.key_file == Path("/var/lib/undercloud/secrets.key")
    network = config.provisioning.network()
    assert (str(network.network), str(network.first)) == ("192.0.2.0/24", "192.0.2.192")


@given(start=st.integers(0x0A000000, 0xDF000000), prefix=st.integers(8, 28), pick=st.data())
def test_the_default_range_is_of_the_network_and_leaves_the_seed_alone(
    start: int, prefix: int, pick: st.DataObject
) -> None:
    network = IPv4Network((start, prefix), strict=False)
    host = pick.draw(st.integers(1, network.num_addresses - 2))
    address = network[host]
    first, last = default_range(network, address)
    assert first <= last
    assert network.network_address < first
    assert last < network.broadcast_address
    assert not first <= address <= last


@pytest.mark.parametrize(
    ("network", "address", "leased"),
    [
        ("192.0.2.0/24", "192.0.2.1", ("192.0.2.192", "192.0.2.254")),
        ("192.0.2.0/24", "192.0.2.200", ("192.0.2.64", "192.0.2.127")),
        ("192.0.2.16/28", "192.0.2.17", ("192.0.2.28", "192.0.2.30")),
    ],
)
def test_the_default_range_by_example(network: str, address: str, leased: tuple[str, str]) -> None:
    first, last = default_range(IPv4Network(network), IPv4Address(address))
    assert (str(first), str(last)) == leased


def test_a_network_can_be_too_small() -> None:
    with pytest.raises(ValueError, match="a /28 is the smallest"):
        default_range(IPv4Network("192.0.2.0/29"), IPv4Address("192.0.2.1"))
