"""What of a KubeEdge site may be collected, and what in it is secret (facts.md §10.3).

Additive: a fact that reads another file, unit or tool gets its line here, or a bundle will not hold it. The
edge's sqlite database and shell histories are on no list and therefore never read into a bundle.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from kedoctor.api import EvidenceRules, RedactionRule, hookimpl
from kedoctor.checks.parsers.config.schema import CLOUDCORE, EDGECORE, EDGECORE_SECRETS

__all__ = ["EVIDENCE", "kedoctor_evidence"]

FILES = (
    # KubeEdge, on either side (facts.md §1.1, §2.1, §4.1); keys are redacted to their public fingerprint.
    "/etc/kubeedge/**",
    "/var/log/kubeedge/*.log",
    "/tmp/keadm.log",  # noqa: S108  KubeEdge's choice; read only where it is root's own file
    "/var/lib/kubeedge",
    "/etc/kedoctor/**",
    # The distribution and the API server's own settings (facts.md §8.5).
    "/etc/rancher/k3s/config.yaml",
    "/etc/rancher/k3s/config.yaml.d/**",
    "/etc/rancher/k3s/k3s.yaml",
    "/etc/rancher/k3s/registries.yaml",
    "/var/lib/rancher/k3s/server/manifests/**",
    "/var/lib/rancher/k3s/server/tls/**",
    "/var/lib/rancher/k3s/server/token",
    "/var/lib/rancher/k3s/server/node-token",
    "/var/lib/rancher/k3s/agent/etc/containerd/*",
    # RKE2 and MicroK8s: what kube-apiserver was given, and certificates (facts.md §12.3, §12.4).
    "/var/lib/rancher/rke2/server/tls",
    "/var/lib/rancher/rke2/server/tls/*.crt",
    "/var/lib/rancher/rke2/server/tls/etcd/*.crt",
    "/var/lib/rancher/rke2/server/etc/egress-selector-config.yaml",
    "/var/snap/microk8s/*/args/kube-apiserver",
    "/var/snap/microk8s/*/certs/*.crt",
    "/var/snap/microk8s/common/run/containerd.sock",
    # Archives of images: only their names.
    "/var/lib/rancher/k3s/agent/images/*.tar",
    "/var/lib/kedoctor/images/*.tar",
    # Where an offline bundle lies: only the directory.
    "/var/lib/kedoctor/offline/images",
    "/opt/kubeedge-*/images",
    "/root/kubeedge-*/images",
    # Backups: only their tables of contents.
    "/var/lib/kedoctor/backups/*/manifest.json",
    "/etc/kubernetes/**",
    # Directories, for their permissions.
    "/etc/kubernetes",
    "/etc/rancher/k3s",
    "/var/lib/rancher/k3s/server",
    # Units and what feeds them.
    "/etc/systemd/system/**",
    "/lib/systemd/system/*",
    "/usr/lib/systemd/system/*",
    "/run/systemd/system/**",
    "/etc/default/*",
    "/etc/sysconfig/*",
    # The container runtime and CNI of an edge (facts.md §5.5).
    "/etc/containerd/**",
    "/etc/docker/daemon.json",
    "/etc/crictl.yaml",
    "/etc/cni/net.d/**",
    "/opt/cni/bin/*",
    "/usr/lib/cni/*",
    "/usr/libexec/cni/*",
    "/run/containerd/containerd.sock",
    "/run/k3s/containerd/containerd.sock",
    "/run/crio/crio.sock",
    "/run/docker.sock",
    "/var/run/docker.sock",
    "/run/cri-dockerd.sock",
    "/run/dockershim.sock",
    # Persistent and live packet filter state (facts.md §9 (10)).
    "/etc/iptables/**",
    "/etc/nftables.conf",
    "/etc/nftables.d/**",
    "/etc/network/if-pre-up.d/*",
    "/proc/net/ip_tables_names",
    "/proc/net/ip6_tables_names",
    "/proc/modules",
    "/lib/modules/*/modules.builtin",
    "/proc/net/route",
    "/proc/sys/net/ipv4/**",
    # The machine.
    "/proc/modules",
    "/proc/cgroups",
    "/proc/cmdline",
    "/proc/swaps",
    "/proc/sys/fs/file-nr",
    "/proc/sys/fs/inotify/*",
    "/proc/sys/kernel/panic",
    "/proc/sys/kernel/panic_on_oops",
    "/proc/sys/kernel/keys/*",
    "/proc/sys/vm/overcommit_memory",
    "/proc/sys/vm/panic_on_oom",
    "/proc/*/limits",
    "/sys/fs/selinux/enforce",
    "/proc/self/mountinfo",
    "/proc/mounts",
    "/sys/fs/cgroup/cgroup.controllers",
    "/boot/cmdline.txt",
    "/boot/firmware/cmdline.txt",
    "/etc/hosts",
    "/etc/hostname",
    "/etc/resolv.conf",
    "/run/systemd/resolve/*resolv.conf",
    "/etc/nsswitch.conf",
    "/etc/os-release",
    "/usr/lib/os-release",
    # Programs: only whether they are there, what kind of file they are, and their first bytes.
    "/usr/local/bin/*",
    "/var/lib/rancher/k3s/data/current/bin/*",
    "/snap/microk8s/current/bin/*",
    "/usr/bin/keadm",
    "/usr/bin/edgecore",
    *(
        f"{place}/{program}"
        for place in ("/bin", "/sbin", "/usr/bin", "/usr/sbin", "/usr/local/sbin")
        for program in (
            *("containerd", "kubectl", "sudo", "systemctl", "runc", "crun"),
            *("containerd-shim", "containerd-shim-runc-v2", "nvidia-container-runtime"),
        )
    ),
)

UNITS = (
    "edgecore.service",
    "cloudcore.service",
    "k3s.service",
    "k3s-agent.service",
    "rke2-server.service",
    "rke2-agent.service",
    "snap.microk8s.daemon-kubelite.service",
    "k0scontroller.service",
    "kubelet.service",
    "kube-apiserver.service",
    "containerd.service",
    "docker.service",
    "cri-docker.service",
    "crio.service",
    "isulad.service",
    "mosquitto.service",
    "firewalld.service",
    "ufw.service",
    "nftables.service",
    "iptables.service",
    "netfilter-persistent.service",
    "chronyd.service",
    "chrony.service",
    "ntp.service",
    "systemd-timesyncd.service",
    "kedoctor-*.service",
)

TOOLS = (
    "iptables-legacy-save",
    "iptables-nft-save",
    "iptables-save",
    "iptables",
    "iptables-legacy",
    "iptables-nft",
    "nft",
    "ip",
    "ss",
    "conntrack",
    "ipset",
    "ipvsadm",
    "sysctl",
    "systemctl",
    "journalctl",
    "firewall-cmd",
    "ufw",
    "crictl",
    "ctr",
    "k3s",
    "docker",
    "containerd",
    "edgecore",
    "keadm",
    "timedatectl",
    "chronyc",
)

# Whose arguments say how a site is set up; a name may be cut to 15 characters. K3s calls itself "k3s server".
PROGRAMS = (
    "edgecore",
    "cloudcore",
    "keadm",
    "kube-apiserver",
    "kube-proxy",
    "kubelet",
    "k3s",
    "k3s server",
    "k3s-server",
    "k3s agent",
    "k3s-agent",
    "rke2",
    "kubelite",
    "containerd",
    "containerd-shim*",
    "dockerd",
    "cri-dockerd",
    "crio",
    "isulad",
    "mosquitto",
    "edgemesh-agent",
)

KUBECONFIG_SECRETS = (
    "users.user.client-key-data",
    "users.user.token",
    "users.user.password",
    "users.user.exec.env.value",
    "users.user.auth-provider.config.*",
)
K3S_SECRETS = ("token", "agent-token", "datastore-endpoint", "etcd-s3-secret-key", "etcd-s3-access-key")
REGISTRY_SECRETS = ("configs.*.auth",)
# Headers hold tokens under names of anybody's choice (containerd: docs/hosts.md and docs/cri/registry.md).
CONTAINERD_SECRETS = (
    "header.*",
    "host.*.header.*",
    "plugins.*.registry.headers.*",
    "plugins.*.registry.auths.*",
    "plugins.*.registry.configs.*.auth.*",
)

REDACTIONS = (
    # edgecore.yaml and every copy of it that operators and keadm leave beside it.
    RedactionRule("host:/etc/kubeedge/config/*", EDGECORE_SECRETS),
    RedactionRule("host:/etc/kubeedge/*.yaml*", EDGECORE_SECRETS),
    # A bare token (facts.md §2.1).
    RedactionRule("host:/etc/kubeedge/bootstrap-edgecore.conf*"),
    RedactionRule("host:/etc/kubeedge/*.key*"),
    RedactionRule("host:/etc/kubernetes/*.key"),
    RedactionRule("host:/var/lib/rancher/k3s/server/*token"),
    RedactionRule("host:/var/lib/rancher/k3s/server/tls/*.key"),
    RedactionRule("host:/etc/rancher/k3s/config.yaml*", K3S_SECRETS),
    RedactionRule("host:/etc/rancher/k3s/registries.yaml", REGISTRY_SECRETS),
    RedactionRule("host:/etc/containerd/*.toml", CONTAINERD_SECRETS),
    RedactionRule("host:/var/lib/rancher/k3s/agent/etc/containerd/*.toml", CONTAINERD_SECRETS),
    *(
        RedactionRule(f"host:{path}", KUBECONFIG_SECRETS)
        for path in ("/etc/rancher/k3s/k3s.yaml", "/etc/kubernetes/*.conf", "/etc/kubeedge/*kubeconfig*")
    ),
)

EVIDENCE = EvidenceRules(files=FILES, units=UNITS, tools=TOOLS, programs=PROGRAMS, redactions=REDACTIONS)


@cache
def _of_known_documents() -> tuple[RedactionRule, ...]:
    """What stands under a key that edgecore or cloudcore does not read may be anything: a mistyped ``tokn``, a note.

    The schemas are read when they are first needed, not at start.
    """
    edge, cloud = EDGECORE.paths, CLOUDCORE.paths
    return (
        *(
            RedactionRule(f"host:/etc/kubeedge/{place}edgecore*.y*ml*", known=edge)
            for place in ("", "config/")
        ),
        RedactionRule("host:/etc/kubeedge/config/cloudcore*.y*ml*", known=cloud),
        RedactionRule("ConfigMap/kubeedge/cloudcore", known=cloud, document="data.cloudcore.yaml"),
    )


@hookimpl
def kedoctor_evidence() -> EvidenceRules:
    """What the facts of this package read, so that it may be collected, and what of it is secret."""
    return replace(EVIDENCE, redactions=(*EVIDENCE.redactions, *_of_known_documents()))
