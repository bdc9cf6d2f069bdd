"""The kubernetes role: containerd that serves, and what kubeadm reads on the first node and the workers."""

from __future__ import annotations

from bootstrap.handoff import kubeadm
from bootstrap.handoff.cluster_secrets import ClusterSecrets
from bootstrap.handoff.host import HandoffFailed, Host, HostFile
from bootstrap.ssh import SSH
from profiles.hosts import Role

POD_SUBNET = "10.244.0.0/16"
SERVICE_SUBNET = "10.96.0.0/12"

# kubelet 1.36 and systemd want one cgroup manager; Debian's containerd is told so here.
CONTAINERD = """\
version = 2
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
    SystemdCgroup = true
"""
MODULES = "overlay\nbr_netfilter\n"
SYSCTL = """\
net.ipv4.ip_forward = 1
net.bridge.bridge-nf-call-iptables = 1
net.bridge.bridge-nf-call-ip6tables = 1
"""


class Kubernetes:
    """The first host by name becomes the control-plane node, the others workers that join it."""

    role = Role.KUBERNETES

    def __init__(self, hosts: tuple[Host, ...], secrets: ClusterSecrets) -> None:
        self._first = min(hosts, key=lambda host: host.name)
        self._secrets = secrets

    def files(self, host: Host) -> tuple[HostFile, ...]:
        common = (
            HostFile("/etc/containerd/config.toml", CONTAINERD.encode()),
            HostFile("/etc/modules-load.d/kubernetes.conf", MODULES.encode()),
            HostFile("/etc/sysctl.d/90-kubernetes.conf", SYSCTL.encode()),
        )
        if host != self._first:
            return (*common, HostFile("/etc/kubernetes/kubeadm-join.yaml", self.join(host).encode(), 0o600))
        return (
            *common,
            HostFile("/etc/kubernetes/kubeadm-init.yaml", self.init(host).encode(), 0o600),
            HostFile("/etc/kubernetes/pki/ca.crt", self._secrets.ca.encode()),
            HostFile("/etc/kubernetes/pki/ca.key", self._secrets.ca_key.reveal().encode(), 0o600),
        )

    def init(self, host: Host) -> str:
        """For `kubeadm init --config`."""
        return kubeadm.render(
            kubeadm.InitConfiguration(
                bootstrap_tokens=(kubeadm.BootstrapToken(token=self._secrets.token.reveal()),),
                local_api_endpoint=kubeadm.LocalAPIEndpoint(advertise_address=host.address),
                node_registration=_registration(host),
            ),
            kubeadm.ClusterConfiguration(
                cluster_name="undercloud",
                control_plane_endpoint=self._endpoint(),
                networking=kubeadm.Networking(pod_subnet=POD_SUBNET, service_subnet=SERVICE_SUBNET),
            ),
            kubeadm.KubeletConfiguration(),
        )

    def join(self, host: Host) -> str:
        """For `kubeadm join --config`."""
        discovery = kubeadm.BootstrapTokenDiscovery(
            token=self._secrets.token.reveal(),
            api_server_endpoint=self._endpoint(),
            ca_cert_hashes=(self._secrets.ca_hash(),),
        )
        return kubeadm.render(
            kubeadm.JoinConfiguration(
                discovery=kubeadm.Discovery(bootstrap_token=discovery), node_registration=_registration(host)
            )
        )

    def activate(self, host: Host, ssh: SSH, *, changed: bool) -> None:
        start = "restart" if changed else "start"
        ssh.run(
            host.name,
            "chmod 0700 /etc/kubernetes\n"
            "modprobe -a overlay br_netfilter; sysctl --quiet --system >/dev/null\n"
            f"systemctl enable --quiet containerd; systemctl {start} containerd",
        )

    def check(self, host: Host, ssh: SSH) -> str:
        seen = ssh.run(host.name, "ctr version; ctr plugins ls | grep -w cri").strip()
        if "Server:" not in seen or not seen.splitlines()[-1].rstrip().endswith("ok"):
            raise HandoffFailed(f"{host.name}: containerd does not serve CRI; `ctr version` says:\n{seen}")
        version = seen.split("Server:")[1].split("Version:")[1].split()[0]
        part = "kubeadm init" if host == self._first else "kubeadm join"
        return f"containerd {version} serves, configured for {part}"

    def _endpoint(self) -> str:
        return f"{self._first.address}:6443"


def _registration(host: Host) -> kubeadm.NodeRegistration:
    address = kubeadm.Argument(name="node-ip", value=host.address)
    return kubeadm.NodeRegistration(name=host.hostname, kubelet_extra_args=(address,))
