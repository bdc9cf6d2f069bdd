"""apt's own answers become the sources of a build: Debian's, all of Debian's, and nobody else's."""

from __future__ import annotations

from pathlib import Path

from pxe.build.debian import (
    Archive,
    Source,
    parse_acquire,
    parse_index_targets,
    parse_signed_by,
)

RECORDED = Path(__file__).parents[1] / "data/pxe/apt-indextargets.txt"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


def sources() -> tuple[Source, ...]:
    return parse_index_targets(RECORDED.read_text(), "bookworm", lambda entry: KEYRING)


def test_main_updates_and_security_of_this_release_are_kept() -> None:
    assert [source.suite for source in sources()] == ["bookworm", "bookworm-updates", "bookworm-security"]
    assert sources()[2].uri == "http://mirror.example.test/debian-security/"


def test_other_vendors_backports_and_never_fetched_lists_are_left_out() -> None:
    text = "".join(source.line() for source in sources())
    assert "vendor.example.test" not in text
    assert "backports" not in text
    assert "fresh.example.test" not in text


def test_components_of_one_suite_are_one_line() -> None:
    assert sources()[0].line() == (
        f"deb [signed-by={KEYRING}] http://mirror.example.test/debian/ bookworm main non-free-firmware"
    )


def test_an_archive_tells_whether_it_has_firmware() -> None:
    assert Archive("bookworm", sources()).has("non-free-firmware")
    assert not Archive("bookworm", sources()).has("contrib")


def test_another_release_finds_nothing() -> None:
    assert parse_index_targets(RECORDED.read_text(), "trixie", lambda entry: "") == ()


DEB822 = f"""\
# made by the installer
Types: deb
# http://mirror.example.test/archive/20250520T000000Z
URIs: http://mirror.example.test/debian
Suites: bookworm bookworm-updates
Signed-By: {KEYRING}

Types: deb
URIs: http://mirror.example.test/debian-security
Suites: bookworm-security
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 mDMEY865UxYJKwYB
"""


def test_signed_by_is_read_from_the_stanza_that_apt_names() -> None:
    assert parse_signed_by(DEB822, 1, deb822=True) == KEYRING


def test_an_inline_key_and_a_stanza_that_is_gone_name_no_keyring() -> None:
    assert parse_signed_by(DEB822, 2, deb822=True) == ""
    assert parse_signed_by(DEB822, 9, deb822=True) == ""


def test_signed_by_is_read_from_a_line_of_a_list_file() -> None:
    text = "# comment\ndeb [arch=amd64 signed-by=/etc/apt/k.gpg] http://mirror.example.test bookworm main\n"
    assert parse_signed_by(text, 2, deb822=False) == "/etc/apt/k.gpg"
    assert parse_signed_by(text, 1, deb822=False) == ""


def test_proxies_and_date_checks_are_passed_on_and_nothing_else() -> None:
    dump = (
        'APT::Architecture "amd64";\nAcquire "";\nAcquire::http "";\n'
        'Acquire::http::Proxy "http://proxy.example.test:3128";\nAcquire::Check-Valid-Until "false";\n'
        'Acquire::AllowInsecureRepositories "0";\nDPkg::Post-Invoke:: "rm -f *.deb";\n'
    )
    assert parse_acquire(dump) == (
        'Acquire::http::Proxy "http://proxy.example.test:3128";',
        'Acquire::Check-Valid-Until "false";',
    )
