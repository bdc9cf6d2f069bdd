"""What hosts are handed, against full texts; and ansible-inventory reads the inventory for real."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from bootstrap.handoff import ansible, cluster_secrets, control_plane
from bootstrap.handoff.cluster_secrets import ClusterSecrets
from bootstrap.handoff.host import HandoffFailed, Host
from bootstrap.handoff.kubernetes import Kubernetes
from hwdrivers.credentials import Secret
from profiles.hosts import Role

DATA = Path(__file__).parents[1] / "data" / "bootstrap"
ETCD = Host("node-1", "node-1", "192.0.2.101", Role.CONTROL_PLANE)
FIRST = Host("node-2", "node-2.example.com", "192.0.2.102", Role.KUBERNETES)
WORKER = Host("node-3", "node-3", "192.0.2.103", Role.KUBERNETES)
PLAIN = Host("node-4", "node-4", "192.0.2.104", None)
HOSTS = (ETCD, FIRST, WORKER, PLAIN)

# A certificate of a test's own (its key was thrown away), so that its pin is the same every time.
CA = (DATA / "ca.crt").read_text()
SECRETS = ClusterSecrets(CA, Secret("the key\n"), Secret("abcdef.0123456789abcdef"))
KUBERNETES = Kubernetes((WORKER, FIRST), SECRETS)
INVENTORY = ansible.render(
    HOSTS, user="debian", known_hosts=Path("/srv/a site/known_hosts"), identity=Path("/root/.ssh/id_ed25519")
)


@pytest.mark.parametrize(
    ("golden", "text"),
    [
        ("undercloud-etcd.service", control_plane.unit(ETCD)),
        ("kubeadm-init.yaml", KUBERNETES.init(FIRST)),
        ("kubeadm-join.yaml", KUBERNETES.join(WORKER)),
        ("inventory.yaml", INVENTORY),
    ],
)
def test_a_rendered_file_is_what_was_agreed(golden: str, text: str) -> None:
    assert text == (DATA / golden).read_text()


def test_only_the_first_node_gets_the_ca_key_and_secrets_are_readable_by_root_alone() -> None:
    first = {file.path: file for file in KUBERNETES.files(FIRST)}
    worker = {file.path: file for file in KUBERNETES.files(WORKER)}
    assert first["/etc/kubernetes/pki/ca.key"].content == b"the key\n"
    assert "/etc/kubernetes/pki/ca.key" not in worker
    assert {path: file.mode for path, file in (first | worker).items()} == {
        "/etc/containerd/config.toml": 0o644,
        "/etc/modules-load.d/kubernetes.conf": 0o644,
        "/etc/sysctl.d/90-kubernetes.conf": 0o644,
        "/etc/kubernetes/kubeadm-init.yaml": 0o600,
        "/etc/kubernetes/kubeadm-join.yaml": 0o600,
        "/etc/kubernetes/pki/ca.crt": 0o644,
        "/etc/kubernetes/pki/ca.key": 0o600,
    }
    told = f"{SECRETS!r} {list(first.values())!r} {KUBERNETES!r}"
    assert "the key" not in told and "abcdef.0123456789abcdef" not in told


def test_what_the_cluster_shares_is_made_once_and_fits_together(tmp_path: Path) -> None:
    made = cluster_secrets.keep(tmp_path / "kubernetes")
    again = cluster_secrets.keep(tmp_path / "kubernetes")
    assert (again.ca, again.ca_key, again.token) == (made.ca, made.ca_key, made.token)
    key = load_pem_private_key(made.ca_key.reveal().encode(), None)
    certificate = x509.load_pem_x509_certificate(made.ca.encode())
    assert certificate.public_key() == key.public_key()
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "kubernetes").iterdir()}
    assert modes["ca.key"] == modes["bootstrap-token"] == 0o600
    # kubeadm's own rule for tokens
    left, _, right = made.token.reveal().partition(".")
    assert (len(left), len(right)) == (6, 16)


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    if not Path(sys.executable).with_name("ansible-inventory").exists():
        pytest.skip("ansible-core is not installed")
    path = tmp_path / "inventory.yaml"
    path.write_text(INVENTORY)
    return path


def test_ansible_inventory_reads_it(inventory: Path) -> None:
    assert ansible.validate(inventory, HOSTS) == "ansible-inventory lists 4 hosts"
    tool = Path(sys.executable).with_name("ansible-inventory")
    command = [str(tool), "--inventory", str(inventory), "--list"]
    env = {**os.environ, "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "true"}
    listed = json.loads(subprocess.run(command, env=env, capture_output=True, check=True).stdout)
    groups = {name: content["hosts"] for name, content in listed.items() if "hosts" in content}
    assert groups == {"control_plane": ["node-1"], "kubernetes": ["node-2", "node-3"], "other": ["node-4"]}
    variables = listed["_meta"]["hostvars"]["node-2"]
    assert variables["ansible_host"] == "192.0.2.102"
    assert variables["ansible_ssh_common_args"] == (
        "-o UserKnownHostsFile='/srv/a site/known_hosts' -o StrictHostKeyChecking=yes"
    )


@pytest.mark.parametrize(
    "broken", [INVENTORY.replace("children:", "children: ["), "all: {hosts: [1, 2]}\n", "just words\n"]
)
def test_an_inventory_that_is_broken_is_refused(inventory: Path, broken: str) -> None:
    inventory.write_text(broken)
    with pytest.raises(HandoffFailed, match="ansible-inventory fails"):
        ansible.validate(inventory, HOSTS)


def test_a_host_that_is_not_listed_is_named(inventory: Path) -> None:
    content = yaml.safe_load(INVENTORY)
    del content["all"]["children"]["kubernetes"]["hosts"]["node-3"]
    inventory.write_text(yaml.safe_dump(content))
    with pytest.raises(HandoffFailed, match="does not list node-3"):
        ansible.validate(inventory, HOSTS)
