"""kubeadm's configuration, API kubeadm.k8s.io/v1beta4 (Kubernetes 1.31 and later).

kubeadm decodes strictly, so these models have no more than its fields; extra arguments are lists of
name and value there, no longer maps. Only what is set is written.
"""

from __future__ import annotations

from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

KUBEADM: Literal["kubeadm.k8s.io/v1beta4"] = "kubeadm.k8s.io/v1beta4"


def _field(name: str) -> str:
    """kubeadm's spelling: camelCase, but localAPIEndpoint."""
    return to_camel(name).replace("localApi", "localAPI")


class _Document(BaseModel):
    model_config = ConfigDict(alias_generator=_field, populate_by_name=True, extra="forbid", frozen=True)


class Argument(_Document):
    name: str
    value: str


class NodeRegistration(_Document):
    name: str
    cri_socket: str = "unix:///run/containerd/containerd.sock"
    kubelet_extra_args: tuple[Argument, ...] = ()
    taints: tuple[dict[str, str], ...] | None = None


class LocalAPIEndpoint(_Document):
    advertise_address: str
    bind_port: int = 6443


class BootstrapToken(_Document):
    token: str = Field(repr=False, pattern=r"^[a-z0-9]{6}\.[a-z0-9]{16}$")
    ttl: str = "24h0m0s"
    usages: tuple[str, ...] = ("signing", "authentication")
    groups: tuple[str, ...] = ("system:bootstrappers:kubeadm:default-node-token",)


class InitConfiguration(_Document):
    api_version: Literal["kubeadm.k8s.io/v1beta4"] = KUBEADM
    kind: Literal["InitConfiguration"] = "InitConfiguration"
    bootstrap_tokens: tuple[BootstrapToken, ...]
    local_api_endpoint: LocalAPIEndpoint
    node_registration: NodeRegistration


class Networking(_Document):
    dns_domain: str = "cluster.local"
    pod_subnet: str
    service_subnet: str


class ClusterConfiguration(_Document):
    api_version: Literal["kubeadm.k8s.io/v1beta4"] = KUBEADM
    kind: Literal["ClusterConfiguration"] = "ClusterConfiguration"
    cluster_name: str
    control_plane_endpoint: str
    kubernetes_version: str | None = None
    networking: Networking


class KubeletConfiguration(_Document):
    """kubelet.config.k8s.io; systemd is the cgroup driver that containerd is set to."""

    api_version: Literal["kubelet.config.k8s.io/v1beta1"] = "kubelet.config.k8s.io/v1beta1"
    kind: Literal["KubeletConfiguration"] = "KubeletConfiguration"
    cgroup_driver: str = "systemd"


class BootstrapTokenDiscovery(_Document):
    token: str = Field(repr=False, pattern=r"^[a-z0-9]{6}\.[a-z0-9]{16}$")
    api_server_endpoint: str
    ca_cert_hashes: tuple[str, ...]


class Discovery(_Document):
    bootstrap_token: BootstrapTokenDiscovery


class JoinConfiguration(_Document):
    api_version: Literal["kubeadm.k8s.io/v1beta4"] = KUBEADM
    kind: Literal["JoinConfiguration"] = "JoinConfiguration"
    discovery: Discovery
    node_registration: NodeRegistration


def render(*documents: _Document) -> str:
    """The documents as one YAML stream."""
    plain: list[dict[str, Any]] = [
        document.model_dump(by_alias=True, exclude_none=True, mode="json") for document in documents
    ]
    return yaml.safe_dump_all(plain, sort_keys=False, explicit_start=True)
