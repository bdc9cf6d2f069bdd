"""What is written into the ramdisk besides packages: units and configuration that start the agent."""

from __future__ import annotations

# Runs before any unit (systemd.generator(7)): the NIC that booted the machine gets the preferred route.
# pxelinux writes BOOTIF=01-52-54-00-..., iPXE scripts write colons.
_BOOT_NIC_GENERATOR = """\
#!/bin/sh
for word in $(cat /proc/cmdline); do
  case "$word" in BOOTIF=*) mac="${word#BOOTIF=}";; esac
done
[ -n "$mac" ] || exit 0
mac=$(echo "$mac" | tr 'A-F-' 'a-f:')
[ "${#mac}" -eq 20 ] && mac="${mac#*:}"
mkdir -p /run/systemd/network
sed "s/^Type=.*/MACAddress=$mac/; s/RouteMetric=1024/RouteMetric=100/" \\
  /etc/systemd/network/50-any.network > /run/systemd/network/10-boot-nic.network
"""

# The same identity as iPXE's (the MAC, not a DUID), so that the DHCP server renews the same lease.
_ANY_NETWORK = """\
[Match]
Type=ether infiniband

[Network]
DHCP=yes
IPv6AcceptRA=yes
LLDP=no

[DHCPv4]
ClientIdentifier=mac
RouteMetric=1024
UseHostname=no

[DHCPv6]
DUIDType=link-layer

[IPv6AcceptRA]
RouteMetric=1024
"""

# The agent waits 10 s after a failed look for a route; a first try that succeeds is cheaper.
# systemd-networkd knows the name servers, but without systemd-resolved nobody writes resolv.conf.
_WAIT_FOR_ROUTE = """\
#!/bin/sh
host=0.0.0.0
for word in $(cat /proc/cmdline); do
  case "$word" in
    ipa-api-url=*|ipa-inspection-callback-url=*)
      host="${word#*://}"; host="${host%%/*}"
      case "$host" in "["*) host="${host#[}"; host="${host%%]*}";; *) host="${host%%:*}";; esac;;
  esac
done
case "$host" in *[!0-9.a-fA-F:]*) host=0.0.0.0;; esac
[ "$host" = 0.0.0.0 ] && look="ip -o route show default" || look="ip -o route get $host"
tries=0
while [ $tries -lt 300 ]; do
  [ -n "$($look 2>/dev/null)" ] && break
  tries=$((tries + 1)); sleep 0.2
done
sed -n 's/^DNS=//p' /run/systemd/netif/state | tr ' ' '\\n' | sed 's/^./nameserver &/' > /etc/resolv.conf
exit 0
"""

_AGENT_UNIT = """\
[Unit]
Description=Ironic Python Agent
Wants=systemd-networkd.service
After=systemd-networkd.service systemd-udev-trigger.service systemd-sysctl.service

[Service]
ExecStartPre=/usr/lib/undercloud/wait-for-route
ExecStart=/usr/bin/python3 -c "from ironic_python_agent.cmd.agent import run; run()" \
    --config-file /etc/ironic-python-agent.conf
Environment=HOME=/root LC_ALL=C.UTF-8
StandardOutput=journal+console
StandardError=journal+console
Restart=on-failure
RestartSec=5
TimeoutStartSec=120
TimeoutStopSec=5

[Install]
WantedBy=multi-user.target
"""

# The agent logs each request that it gets with its query string, and takes its token nowhere else: on the
# serial console it would be for everybody to read who sees that.
_AGENT_CONFIG = "[DEFAULT]\ndefault_log_levels = ironic_python_agent.api=WARNING,urllib3=WARNING\n"

# The agent's `finalize_rescue` writes the password's hash here, and ends. Whoever rescues is root there.
_RESCUE_FOLDER = "etc/ipa-rescue-config"
_RESCUE = f"""\
#!/bin/sh
hash=/{_RESCUE_FOLDER}/ipa-rescue-password
until [ -s $hash ]; do sleep 0.1; done
if ! grep -q ^rescue: /etc/passwd; then
  echo "rescue:x:0:0:rescue:/root:/bin/bash" >> /etc/passwd
  echo "rescue:$(cat $hash):::::::" >> /etc/shadow
fi
mkdir -p /etc/dropbear
exec dropbear -F -E -R
"""

_RESCUE_PATH = f"""\
[Unit]
Description=A password for the rescue system

[Path]
PathExists=/{_RESCUE_FOLDER}/ipa-rescue-password
Unit=rescue-ssh.service
"""

_RESCUE_UNIT = """\
[Unit]
Description=Rescue system: ssh for the user rescue

[Service]
ExecStart=/usr/lib/undercloud/rescue
StandardError=journal+console
Restart=on-failure
"""

_JOURNAL = "[Journal]\nStorage=volatile\nRuntimeMaxUse=64M\n"
# Never activate what is on the disks of a machine that is about to be cleaned: a volume keeps them busy.
_LVM_LOCAL = "activation {\n  auto_activation_volume_list = []\n}\n"

# path → (text, mode)
FILES: dict[str, tuple[str, int]] = {
    "usr/lib/systemd/system-generators/undercloud-boot-nic": (_BOOT_NIC_GENERATOR, 0o755),
    "usr/lib/undercloud/wait-for-route": (_WAIT_FOR_ROUTE, 0o755),
    "etc/systemd/system/ironic-python-agent.service": (_AGENT_UNIT, 0o644),
    "etc/ironic-python-agent.conf": (_AGENT_CONFIG, 0o644),
    "usr/lib/undercloud/rescue": (_RESCUE, 0o755),
    "etc/systemd/system/rescue-password.path": (_RESCUE_PATH, 0o644),
    "etc/systemd/system/rescue-ssh.service": (_RESCUE_UNIT, 0o644),
    f"{_RESCUE_FOLDER}/README": ("Here the agent writes the hash of the rescue password.\n", 0o644),
    "etc/systemd/network/50-any.network": (_ANY_NETWORK, 0o644),
    "etc/systemd/journald.conf.d/undercloud.conf": (_JOURNAL, 0o644),
    "etc/lvm/lvmlocal.conf": (_LVM_LOCAL, 0o644),
    "etc/hostname": ("ramdisk\n", 0o644),
    # Empty, not missing: this boot is not a "first boot" that runs presets (machine-id(5)).
    "etc/machine-id": ("", 0o444),
    "etc/fstab": ("", 0o644),
}

ENABLED = {
    "ironic-python-agent.service": "/etc/systemd/system/ironic-python-agent.service",
    "rescue-password.path": "/etc/systemd/system/rescue-password.path",
    "systemd-networkd.service": "/usr/lib/systemd/system/systemd-networkd.service",
}

# Of what Debian starts by default, what a machine needs that only runs the agent.
KEPT_AT_SYSINIT = (
    "kmod-static-nodes.service",
    "systemd-journald.service",
    "systemd-modules-load.service",
    "systemd-sysctl.service",
    "systemd-tmpfiles-setup-dev.service",
    "systemd-tmpfiles-setup.service",
    "systemd-udev-trigger.service",
    "systemd-udevd.service",
)
