"""The control-plane role: etcd from a container image built offline, run by podman under systemd."""

from __future__ import annotations

import time

import httpx

from bootstrap.handoff.carry import put_once
from bootstrap.handoff.host import HandoffFailed, Host, HostFile
from bootstrap.ssh import SSH
from profiles.hosts import Role
from pxe.images import ContainerImage

IMAGE = "localhost/role/etcd"
UNIT = "undercloud-etcd.service"
HEALTH_PORT = 2381
PATIENCE = 180  # seconds; an emulated CPU takes 30 to start the first container

# The archive's checksum is kept as a name of the image, which tells that this very archive is loaded.
_LOAD = f"""\
tag={IMAGE}:$(echo {{sha512}} | cut -c 1-32)
podman image exists "$tag" && exit
id=$(podman load --quiet --input {{archive}} | sed -n 's/^Loaded image: *//p' | head -n 1)
podman tag "$id" "$tag" {IMAGE}:latest
echo loaded
"""


def unit(host: Host) -> str:
    """The systemd unit. Clients reach etcd on loopback only; the network sees its health and metrics."""
    arguments = " ".join(
        (
            f"--name={host.hostname}",
            "--data-dir=/var/lib/etcd",
            "--listen-client-urls=http://127.0.0.1:2379",
            "--advertise-client-urls=http://127.0.0.1:2379",
            "--listen-peer-urls=http://127.0.0.1:2380",
            f"--listen-metrics-urls=http://{host.address}:{HEALTH_PORT}",
        )
    )
    return (
        "[Unit]\n"
        "Description=etcd, control-plane role (undercloud)\n"
        "Wants=network-online.target\n"
        "After=network-online.target\n\n"
        "[Service]\n"
        "ExecStartPre=-/usr/bin/podman rm --force --ignore etcd\n"
        "ExecStart=/usr/bin/podman run --rm --name etcd --pull=never --network=host "
        f"--log-driver=none --volume /var/lib/etcd:/var/lib/etcd {IMAGE} {arguments}\n"
        "ExecStop=/usr/bin/podman stop --ignore --time 10 etcd\n"
        "Restart=on-failure\n"
        "RestartSec=5\n\n"
        "[Install]\n"
        "WantedBy=multi-user.target\n"
    )


class ControlPlane:
    """Carries the image, starts the unit, asks etcd over the network how it is."""

    role = Role.CONTROL_PLANE

    def __init__(self, image: ContainerImage) -> None:
        self._image = image

    def files(self, host: Host) -> tuple[HostFile, ...]:
        return (HostFile(f"/etc/systemd/system/{UNIT}", unit(host).encode()),)

    def activate(self, host: Host, ssh: SSH, *, changed: bool) -> None:
        archive = f"/var/lib/undercloud/{self._image.name}.oci.tar"
        put_once(ssh, host.name, self._image.path, archive, self._image.sha512)
        loaded = ssh.run(host.name, _LOAD.format(archive=archive, sha512=self._image.sha512)).strip()
        start = "restart" if changed or loaded == "loaded" else "start"
        ssh.run(
            host.name,
            f"mkdir -p -m 0700 /var/lib/etcd\nsystemctl daemon-reload\n"
            f"systemctl enable --quiet {UNIT}\nsystemctl {start} {UNIT}",
        )

    def check(self, host: Host, ssh: SSH) -> str:
        url = f"http://{host.address}:{HEALTH_PORT}/health"
        deadline = time.monotonic() + PATIENCE
        seen = "nothing"
        while time.monotonic() < deadline:
            try:
                answer = httpx.get(url, timeout=10, trust_env=False)
                seen = f"{answer.status_code} {answer.text.strip()[:80]}"
                if answer.status_code == 200 and answer.json().get("health") == "true":
                    return f"etcd is healthy at {url}"
            except (httpx.HTTPError, ValueError) as error:
                seen = str(error)
            time.sleep(2)
        journal = ssh.run(host.name, f"journalctl --no-pager -n 5 -o cat -u {UNIT}")
        raise HandoffFailed(f"{host.name}: {url} says {seen} after {PATIENCE} s; its journal:\n{journal}")
