"""Whoever gives a signature gets no image that it does not vouch for."""

from __future__ import annotations

import hashlib
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from disk_samples import qcow2_disk

from pxe.adding.add import Offer, Part, add
from pxe.adding.refused import Refused
from pxe.adding.signature import Verdict, check, judge
from pxe.build.manifest import Signature
from pxe.build.progress import Silent
from pxe.images import read_manifest


@dataclass(frozen=True)
class Signer:
    """Somebody with a key of his own."""

    home: Path
    name: str

    @classmethod
    def new(cls, home: Path, name: str) -> Signer:
        home.mkdir(mode=0o700)
        signer = cls(home, name)
        signer.gpg("--quick-gen-key", name, "ed25519", "sign", "never")
        return signer

    def gpg(self, *words: str | Path) -> bytes:
        argv = ["gpg", "--homedir", self.home, "--batch", "--quiet", "--passphrase", "", *words]
        return subprocess.run(argv, check=True, capture_output=True, timeout=30).stdout

    def sign(self, content: bytes, *more: str) -> bytes:
        (self.home / "content").write_bytes(content)
        return self.gpg(*more, "--detach-sign", "--output", "-", self.home / "content")

    def keys(self, path: Path, *more: str) -> Path:
        path.write_bytes(self.gpg(*more, "--export"))
        return path


@pytest.fixture(scope="module")
def signers(tmp_path_factory: pytest.TempPathFactory) -> tuple[Signer, Signer]:
    # gpg's agent listens on a socket in its home: short, since a socket's path has 107 bytes at most.
    folder = tmp_path_factory.mktemp("gpg")
    alice, mallory = (
        Signer.new(folder / name[0], f"{name} <{name}@example.com>") for name in ("alice", "mallory")
    )
    yield alice, mallory
    for signer in (alice, mallory):
        subprocess.run(["gpgconf", "--homedir", signer.home, "--kill", "all"], check=True)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    return qcow2_disk(tmp_path / "disk.qcow2")


@pytest.mark.parametrize("armour", [(), ("--armor",)])
def test_a_good_signature_is_kept_with_its_signer(
    signers: tuple[Signer, Signer], image: Path, tmp_path: Path, armour: tuple[str, ...]
) -> None:
    alice, _ = signers
    (tmp_path / "sig").write_bytes(alice.sign(image.read_bytes(), *armour))
    keys = alice.keys(tmp_path / "keys", *armour)
    checksum = hashlib.sha256(image.read_bytes()).hexdigest()
    part = Part(str(image), checksum, str(tmp_path / "sig"), keys)
    add(Offer("ours", part), tmp_path / "images", Silent(), lambda done, total: None)
    signature = read_manifest(tmp_path / "images", "ours").signature
    assert signature is not None
    assert (signature.signer, signature.of) == ("alice <alice@example.com>", "image")
    assert signature.key.encode() in alice.gpg("--with-colons", "--list-keys")


def test_a_signature_of_the_checksums_does_as_well(
    signers: tuple[Signer, Signer], image: Path, tmp_path: Path
) -> None:
    alice, _ = signers
    sums = f"{hashlib.sha512(image.read_bytes()).hexdigest()}  disk.qcow2\n".encode()
    (tmp_path / "SHA512SUMS").write_bytes(sums)
    (tmp_path / "sig").write_bytes(alice.sign(sums))
    keys = alice.keys(tmp_path / "keys")
    part = Part(str(image), str(tmp_path / "SHA512SUMS"), str(tmp_path / "sig"), keys)
    added = add(Offer("ours", part), tmp_path / "images", Silent(), lambda done, total: None).manifest
    assert isinstance(added.signature, Signature)
    assert added.signature.of == "checksums"


def test_other_bytes_and_other_keys_are_refused(
    signers: tuple[Signer, Signer], image: Path, tmp_path: Path
) -> None:
    alice, mallory = signers
    keys = alice.keys(tmp_path / "keys")
    content = image.read_bytes()
    with pytest.raises(Refused, match=r"\(bad\): it was made by key \w+ for other bytes"):
        check(image, alice.sign(content + b"!"), keys, "image")
    with pytest.raises(Refused, match=r"\(unknown key\): .*/keys does not have key [0-9A-F]+"):
        check(image, mallory.sign(content), keys, "image")
    with pytest.raises(Refused, match=r"\(unreadable\)"):
        check(image, b"no signature", keys, "image")
    (tmp_path / "sig").write_bytes(mallory.sign(content))
    part = Part(str(image), hashlib.sha256(content).hexdigest(), str(tmp_path / "sig"), keys)
    with pytest.raises(Refused, match="unknown key"):
        add(Offer("ours", part), tmp_path / "images", Silent(), lambda done, total: None)
    assert not (tmp_path / "images" / "ours").exists()


def test_one_bad_signature_spoils_a_good_one(
    signers: tuple[Signer, Signer], image: Path, tmp_path: Path
) -> None:
    alice, mallory = signers
    content = image.read_bytes()
    with pytest.raises(Refused, match="unknown key"):
        check(image, alice.sign(content) + mallory.sign(content), alice.keys(tmp_path / "keys"), "image")


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        ("[GNUPG:] EXPKEYSIG 1F A <a@b>\n[GNUPG:] VALIDSIG AB1F 2026", Verdict.EXPIRED_KEY),
        ("[GNUPG:] REVKEYSIG 1F A <a@b>\n[GNUPG:] VALIDSIG AB1F 2026", Verdict.REVOKED_KEY),
        ("[GNUPG:] GOODSIG 1F A <a@b>", Verdict.UNREADABLE),  # without VALIDSIG it is not complete
        ("", Verdict.UNREADABLE),
    ],
)
def test_what_gpgv_says_of_keys(status: str, verdict: Verdict) -> None:
    assert judge(status)[0] is verdict
