"""What is written into the OS image besides packages: boot loader, first boot, network, remote login."""

from __future__ import annotations

# no_timer_check: without it kernels under emulation panic now and then ("IO-APIC + timer doesn't work!").
KERNEL_COMMAND_LINE = "console=tty0 console=ttyS0,115200 no_timer_check loglevel=4"

_DEFAULT_GRUB = f"""\
GRUB_DEFAULT=0
GRUB_TIMEOUT=0
GRUB_DISTRIBUTOR=Debian
GRUB_CMDLINE_LINUX_DEFAULT=""
GRUB_CMDLINE_LINUX="{KERNEL_COMMAND_LINE}"
GRUB_TERMINAL="console serial"
GRUB_DISABLE_OS_PROBER=true
"""

# Replaced by update-grub at the first kernel upgrade. Debian keeps /vmlinuz and /initrd.img up to date.
_GRUB_CONFIG = """\
serial --unit=0 --speed=115200
terminal_input console serial
terminal_output console serial
set timeout=0
linux /vmlinuz root=UUID={root_uuid} ro {command_line}
initrd /initrd.img
boot
"""

# Debian's signed GRUB looks for this file beside its own prefix, /EFI/debian.
_ESP_GRUB_CONFIG = """\
regexp --set=1:disk '^\\(([^,)]*)' "$cmdpath"
search --no-floppy --fs-uuid --set=root --hint="$disk,gpt3" {root_uuid}
set prefix=($root)/boot/grub
configfile $prefix/grub.cfg
"""

# Config drive only: no metadata service is asked, and everything is known before the network is up, so that
# all of the first stage (user, keys, host name, network) runs there, and ssh need not wait for the network.
# Two stages, not four: each starts Python anew. What the third one would do is in the first, or in the last.
# Fewer modules and no RSA key: each costs seconds on a slow machine.
_CLOUD_INIT = """\
datasource_list: [ConfigDrive, None]
datasource:
  ConfigDrive: {dsmode: local}
manage_etc_hosts: localhost
disable_root: true
ssh_genkeytypes: [ed25519, ecdsa]
ssh: {emit_keys_to_console: false}
cloud_init_modules:
  [bootcmd, write_files, disk_setup, mounts, set_hostname, update_etc_hosts, ca_certs, users_groups, ssh,
   set_passwords, runcmd]
cloud_config_modules: []
cloud_final_modules:
  [apt_configure, ntp, timezone, package_update_upgrade_install, write_files_deferred, scripts_per_once,
   scripts_per_boot, scripts_per_instance, scripts_user, phone_home, final_message, power_state_change]
"""

_FSTAB = """\
UUID={root_uuid} / ext4 errors=remount-ro,x-systemd.growfs 0 1
UUID={esp_id} /boot/efi vfat umask=0077,nofail,x-systemd.automount,x-systemd.idle-timeout=60 0 2
"""

# The root partition and its file system grow to what the disk has, at every boot, by programs that take no
# time: cloud-init's growpart and resizefs are scripts around sgdisk and resize2fs.
_REPART = "[Partition]\nType=linux-generic\n"

# What cloud-init asks of netplan before systemd-networkd starts, without Python, and without having systemd
# read its units again, as Open vSwitch and Wi-Fi need it. In /usr/local, so that an upgrade leaves it alone.
_NETPLAN = """\
#!/bin/sh
[ "$*" = generate ] && exec /usr/libexec/netplan/generate
exec /usr/sbin/netplan "$@"
"""

# mdadm's hook has every host load all kinds of RAID at boot, and RAID 6 times its algorithms; the kernel
# loads the one that an array needs by itself. And it lists the arrays of the machine that builds the image.
RAID_HOOK_PATH = "etc/initramfs-tools/hooks/undercloud-raid"
RAID_HOOK = """\
#!/bin/sh
[ "$1" = prereqs ] && exit 0
[ -e "$DESTDIR/conf/modules" ] || exit 0
sed -i -E '/^(linear|multipath|raid[0-9]+|efivarfs)$/d' "$DESTDIR/conf/modules"
sed -i '/^ARRAY/d' "$DESTDIR/etc/mdadm/mdadm.conf"
"""

# netavark is what is installed; left to guess, podman may choose CNI, whose plugins are not.
_CONTAINERS = '[network]\nnetwork_backend = "netavark"\n'
_SSHD = "PasswordAuthentication no\nPermitRootLogin prohibit-password\nUseDNS no\n"
_HOSTS = "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n"
# Online as soon as one NIC is: a configured but unplugged one must not delay the later stages by two minutes.
_WAIT_ONLINE = (
    "[Service]\nExecStart=\nExecStart=/lib/systemd/systemd-networkd-wait-online --any --timeout=60\n"
)

# Debian starts these when they are installed; here the hand-off or the operator does.
MASKED = (
    *("apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "e2scrub_all.timer"),
    *("e2scrub_reap.service", "systemd-pstore.service"),
    *("cloud-init.service", "cloud-config.service", "cloud-init-hotplugd.socket", "getty@tty1.service"),
)
DISABLED = (
    *("containerd.service", "podman.service", "podman.socket", "podman-restart.service"),
    *("podman-auto-update.service", "podman-auto-update.timer", "remote-fs.target"),
)
# podman's CNI network: its plugins are not here, and containerd would offer it to Kubernetes for pods.
# Host keys: every host makes its own.
REMOVED = ("etc/cni/net.d/87-podman-bridge.conflist", "etc/ssh/ssh_host_*")

# target → unit
ENABLED = {
    "multi-user.target": "systemd-networkd.service",
    "sysinit.target": "systemd-resolved.service",
    "network-online.target": "systemd-networkd-wait-online.service",
}


def grub_config(root_uuid: str) -> str:
    """/boot/grub/grub.cfg, read from BIOS and from UEFI; $root is the file system it was read from."""
    return _GRUB_CONFIG.format(root_uuid=root_uuid, command_line=KERNEL_COMMAND_LINE)


def esp_grub_config(root_uuid: str) -> str:
    """EFI/debian/grub.cfg: find the root file system, on the disk that GRUB was read from if it is there."""
    return _ESP_GRUB_CONFIG.format(root_uuid=root_uuid)


PROGRAMS = {"usr/local/sbin/netplan": _NETPLAN}


def files(root_uuid: str, esp_id: str) -> dict[str, str]:
    """Path → text of what is written into the tree; `esp_id` is the FAT volume id, XXXX-XXXX."""
    return {
        "boot/grub/grub.cfg": grub_config(root_uuid),
        "etc/default/grub": _DEFAULT_GRUB,
        "etc/repart.d/50-root.conf": _REPART,
        "etc/fstab": _FSTAB.format(root_uuid=root_uuid, esp_id=esp_id),
        "etc/cloud/cloud.cfg.d/90-undercloud.cfg": _CLOUD_INIT,
        "etc/ssh/sshd_config.d/undercloud.conf": _SSHD,
        "etc/systemd/system/systemd-networkd-wait-online.service.d/any.conf": _WAIT_ONLINE,
        "etc/default/locale": "LANG=C.UTF-8\n",
        "etc/containers/containers.conf": _CONTAINERS,
        "etc/hosts": _HOSTS,
        "etc/hostname": "debian\n",
        # Empty, not missing: every host gets an identity of its own at its first boot (machine-id(5)).
        "etc/machine-id": "",
    }
