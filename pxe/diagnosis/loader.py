"""From an address to the kernel: the boot file, the script, and what they lead to."""

from __future__ import annotations

from collections.abc import Callable

from pxe.diagnosis.attempt import Attempt
from pxe.diagnosis.clients import is_ipxe, mode
from pxe.diagnosis.diagnosis import Cause
from pxe.diagnosis.rule import Match, Rule, always, found
from pxe.milestones import Hop

_FETCHED = ("boot.tftp", "boot.http-loader")
_DHCP = ("boot.dhcpdiscover", "boot.dhcpoffer", "boot.dhcprequest", "boot.dhcpack")


def _tftp(*words: str) -> Callable[[Attempt], Match | None]:
    def asks(attempt: Attempt) -> Match | None:
        failed = attempt.of("boot.tftp-failed")
        return found([m for m in failed if any(w in f"{m.message} {m.data.get('reason')}" for w in words)])

    return asks


def _tftp_failed(attempt: Attempt) -> Match | None:
    return found(attempt.of("boot.tftp-failed"))


def _media(attempt: Attempt) -> Match | None:
    if attempt.boot_interface != "virtual-media" or attempt.of("boot.media"):
        return None
    return always(attempt)


def _media_not_fetched(attempt: Attempt) -> Match | None:
    return found(attempt.of("boot.media"), "no request for it came from any BMC since then")


def _http_firmware(attempt: Attempt) -> Match | None:
    asked = attempt.of("boot.dhcpdiscover", "boot.dhcprequest")
    return found([m for m in asked if str(m.data.get("vendor_class") or "").startswith("HTTPClient")])


def _of_ipxe(attempt: Attempt) -> tuple[bool, bool]:
    """Whether iPXE asked for an address after it was fetched, and whether it got one."""
    later = attempt.after(*_FETCHED) if attempt.of(*_FETCHED) else attempt.milestones
    asked = [place for place, m in enumerate(later) if m.kind == "boot.dhcpdiscover" and is_ipxe(m)]
    asked = asked or [n for n, m in enumerate(later) if m.kind in _DHCP and attempt.of(*_FETCHED)]
    return bool(asked), bool(asked) and any(m.kind == "boot.dhcpack" for m in later[asked[0] :])


def _loader_silent(attempt: Attempt) -> Match | None:
    """A loader that runs asks for an address; one that firmware refuses does not."""
    asked, _ = _of_ipxe(attempt)
    fetched = attempt.of(*_FETCHED)
    if any(str(m.data.get("file") or m.message).startswith("grub") for m in fetched):
        return None  # shim ran, and it has checked GRUB
    if asked or "bios" in (mode(attempt), attempt.boot_mode) or attempt.secure_boot is False:
        return None
    note = ("its BMC says: Secure Boot is on",) if attempt.secure_boot else ()
    return found(fetched, "the loader that was fetched never asked for anything", *note)


def _loader_hangs(attempt: Attempt) -> Match | None:
    """Where there is no Secure Boot that could have refused it."""
    asked, _ = _of_ipxe(attempt)
    if asked or ("bios" not in (mode(attempt), attempt.boot_mode) and attempt.secure_boot is not False):
        return None
    return found(attempt.of(*_FETCHED), "the loader was fetched and never asked for anything")


def _ipxe_without_address(attempt: Attempt) -> Match | None:
    asked, got = _of_ipxe(attempt)
    return found([m for m in attempt.milestones if m.kind in _DHCP]) if asked and not got else None


def _http_failed(attempt: Attempt) -> Match | None:
    return found([m for m in attempt.since_reached if m.kind == "boot.http-failed"])


def _kind(*kinds: str) -> Callable[[Attempt], Match | None]:
    return lambda attempt: found(attempt.of(*kinds))


def _sent_to_disk(attempt: Attempt) -> Match | None:
    return found([m for m in attempt.of("boot.script") if m.message.split()[-1:] == ["disk"]])


_FIREWALL_HTTP = Cause(
    "a firewall between the machine and the seed's HTTP port",
    "from another machine in this network: `curl http://{seed}:8080/boot.ipxe` (the port is "
    "`provisioning: http_port`); open it on the seed",
)

RULES = (
    Rule(
        "loader.media-not-fetched",
        (Hop.LOADER,),
        _media_not_fetched,
        "the BMC of {node} was given a boot ISO, and does not fetch it",
        (
            Cause(
                "the BMC has no way to the seed's HTTP address: BMCs fetch images themselves",
                "route between the BMC network and {seed}, open its HTTP port, or set "
                "`provisioning: media_url` to where BMCs reach the seed",
            ),
            Cause(
                "the machine does not look into the virtual drive: many BMCs fetch only what is read",
                "`undercloud node console {node}`; virtual media may be switched off in the firmware's setup",
            ),
            Cause(
                "the BMC takes https alone, or wants to know its certificate",
                "a proxy with a certificate that the BMC trusts, and `provisioning: media_url: https://...`",
            ),
        ),
    ),
    Rule(
        "loader.no-media",
        (Hop.LOADER,),
        _media,
        "the boot image was not inserted into the virtual drive of {node}",
        (
            Cause(
                "the BMC has no virtual media, or its licence does not cover it",
                "`undercloud node media list {node}`; else boot it from the network: "
                "`undercloud node set {node} --boot-interface pxe`",
            ),
            Cause(
                "the BMC cannot fetch the image: it has no way to the seed's HTTP address",
                "BMCs fetch it themselves: let the BMC network reach {seed}, or route between the two",
            ),
            Cause(
                "another image, or somebody's remote console, holds the drive",
                "`undercloud node media detach {node}`; close remote consoles",
            ),
        ),
    ),
    Rule(
        "loader.not-found",
        (Hop.LOADER, Hop.SCRIPT),
        _tftp("not found", "no such file"),
        "{node} asks for a boot file that the seed does not have: {said}",
        (
            Cause(
                "the name comes from elsewhere: another DHCP server, or one that was typed into firmware",
                "look at `next-server` and `filename` of the site's DHCP; clear it in the firmware's setup",
            ),
            Cause("the loader's package is not installed", "`undercloud doctor` on the seed names it"),
        ),
        certain=True,
    ),
    Rule(
        "loader.tftp-unanswered",
        (Hop.LOADER, Hop.SCRIPT),
        _tftp("no answer to"),
        "{node} asks for its boot file by TFTP, and no answer arrives there: {said}",
        (
            Cause(
                "a firewall passes the request (UDP 69) but not the answers, which come from another port",
                "load the TFTP helper (nf_conntrack_tftp) on firewalls and routers between, or open "
                "UDP 1024-65535 from {seed}",
            ),
            Cause(
                "the request does not reach a TFTP server, or none runs there",
                "open UDP 69 on {seed} and on what stands between; `next-server` must name it",
            ),
        ),
    ),
    Rule(
        "loader.tftp-blocks",
        (Hop.LOADER, Hop.SCRIPT),
        _tftp("and none arrives", "block 1 of", "fragmentation needed"),
        "TFTP to {node} stops at the first block of data: {said}",
        (
            Cause(
                "blocks larger than the path carries (blksize, MTU, a tunnel): only the first answer passes",
                "set one MTU along the path; `ping -M do -s 1472 {address}` from the seed must pass",
            ),
            Cause(
                "a firewall passes the request (UDP 69) but not the data, which come from another port",
                "load the TFTP helper (nf_conntrack_tftp) on firewalls and routers between, or open "
                "UDP 1024-65535 from {seed}",
            ),
        ),
    ),
    Rule(
        "loader.tftp-broken",
        (Hop.LOADER, Hop.SCRIPT),
        _tftp_failed,
        "TFTP to {node} breaks off: {said}",
        (
            Cause(
                "a firewall passes the request (UDP 69) but not the answers, which come from another port",
                "load the TFTP helper (nf_conntrack_tftp) on firewalls and routers between, or open "
                "UDP 1024-65535 from {seed}",
            ),
            Cause(
                "blocks larger than the path carries (blksize, MTU, a tunnel): only the first passes",
                "set one MTU along the path; `ping -M do -s 1472 {address}` from the seed must pass",
            ),
            Cause("a bad cable or a duplex mismatch", "look at error counters: `ethtool -S`, switch port"),
        ),
    ),
    Rule(
        "loader.http-broken",
        (Hop.LOADER, Hop.SCRIPT, Hop.KERNEL, Hop.RAMDISK),
        _http_failed,
        "{node} does not get by HTTP what it wants: {said}",
        (
            _FIREWALL_HTTP,
            Cause("a file is missing on the seed", "`undercloud image list`; the seed's log names it"),
            Cause("the transfer breaks off", "look at the error counters of the switch port"),
        ),
    ),
    Rule(
        "loader.no-http",
        (Hop.LOADER,),
        _http_firmware,
        "{node} wants to boot by UEFI HTTP and fetches nothing",
        (
            _FIREWALL_HTTP,
            Cause(
                "the firmware allows HTTPS alone, or has HTTP boot without this URL",
                "in the firmware's setup allow HTTP boot without TLS, or take PXE (`Network Boot: PXE IPv4`)",
            ),
        ),
    ),
    Rule(
        "loader.no-tftp",
        (Hop.LOADER,),
        always,
        "{node} has an address and asks for no boot file",
        (
            Cause("a firewall drops TFTP requests", "open UDP 69 on the seed and on what stands in between"),
            Cause(
                "another DHCP server named another boot server or file",
                "capture it: `tcpdump -ni IFACE -w FILE port 67 or port 68`, then "
                "`undercloud why {node} --pcap FILE`",
            ),
            Cause(
                "it was the operating system that asked for the address, not the firmware",
                "`undercloud node boot-device pxe {node}`, and network boot before the disk in the firmware",
            ),
        ),
    ),
    Rule(
        "script.refused",
        (Hop.SCRIPT, Hop.KERNEL),
        _kind("boot.script-refused"),
        "{node} asked for its boot script and was refused: {said}",
        (
            Cause(
                "the MAC that it boots from belongs to no node",
                "`undercloud node set {node} --mac {mac}` (with its other MACs)",
            ),
            Cause("an image is missing on the seed", "`undercloud image list`, then `undercloud doctor`"),
        ),
        certain=True,
    ),
    Rule(
        "loader.refused-by-secure-boot",
        (Hop.SCRIPT,),
        _loader_silent,
        "{node} fetched its boot loader and did not start it",
        (
            Cause(
                "Secure Boot refuses the loader, which is not signed by a key that the firmware trusts",
                "let the seed serve shim and GRUB to it, or switch Secure Boot off: `undercloud node bios "
                "set {node}`; the screen says 'Security Violation' or 'Access Denied'",
            ),
            Cause(
                "the loader hangs in this firmware's network driver",
                "update the NIC's and the system's firmware; `undercloud node console {node}` shows where",
            ),
        ),
    ),
    Rule(
        "loader.hangs",
        (Hop.SCRIPT,),
        _loader_hangs,
        "{node} fetched its boot loader, which then said nothing",
        (
            Cause(
                "the network driver in its firmware is broken (UNDI in BIOS mode, SNP in UEFI)",
                "update the NIC's and the system's firmware, or take the other boot mode: "
                "`undercloud node boot-device pxe {node} --mode uefi` (or bios)",
            ),
        ),
    ),
    Rule(
        "script.no-address",
        (Hop.SCRIPT,),
        _ipxe_without_address,
        "iPXE runs on {node} but gets no address",
        (
            Cause(
                "the switch port went down while iPXE took the NIC over (spanning tree)",
                "set the port to edge (portfast), without LACP",
            ),
            Cause("another DHCP server answered iPXE", "`undercloud why {node} --pcap FILE`"),
        ),
    ),
    Rule(
        "script.not-asked",
        (Hop.SCRIPT,),
        always,
        "the boot loader runs on {node}, but never asks for its boot script",
        (
            _FIREWALL_HTTP,
            Cause(
                "the loader has no route to the seed",
                "the netmask and router that DHCP gives must lead to {seed}",
            ),
        ),
    ),
    Rule(
        "script.to-disk",
        (Hop.KERNEL,),
        _sent_to_disk,
        "{node} was sent to its disk, though it should boot the ramdisk",
        (
            Cause(
                "it asked before the run was ready for it, or after it was over",
                "ask for the verb again; if this comes back, tell us with `undercloud report`",
            ),
        ),
        certain=True,
    ),
    Rule(
        "kernel.not-fetched",
        (Hop.KERNEL,),
        always,
        "{node} has its boot script and does not fetch the kernel",
        (
            Cause("an image is missing on the seed", "`undercloud image list`, then `undercloud doctor`"),
            Cause(
                "the loader has too little memory or broke off",
                "`undercloud node console {node}` shows its last words, often with a URL such as "
                "ipxe.org/err/...",
            ),
            _FIREWALL_HTTP,
        ),
    ),
)
