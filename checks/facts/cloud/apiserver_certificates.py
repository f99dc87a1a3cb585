"""The certificates with which this host's kube-apiserver serves and asks (kubeadm, K3s)."""

from __future__ import annotations

from dataclasses import dataclass

from kedoctor.api import Host, Reason, Unavailable, fact
from kedoctor.api.certificates import Certificate, CertificateError, read_certificates
from kedoctor.checks.facts.cloud.apiserver_flags import ApiserverArguments

__all__ = ["ApiserverCertificate", "ApiserverCertificates", "apiserver_certificates"]

_KUBEADM = (
    "/etc/kubernetes/pki/apiserver.crt",
    "/etc/kubernetes/pki/apiserver-kubelet-client.crt",
    "/etc/kubernetes/pki/apiserver-etcd-client.crt",
    "/etc/kubernetes/pki/front-proxy-client.crt",
    "/etc/kubernetes/pki/etcd/server.crt",
)
_K3S = (
    "/var/lib/rancher/k3s/server/tls/serving-kube-apiserver.crt",
    "/var/lib/rancher/k3s/server/tls/client-kube-apiserver.crt",
    "/var/lib/rancher/k3s/server/tls/client-controller.crt",
    "/var/lib/rancher/k3s/server/tls/client-scheduler.crt",
    "/var/lib/rancher/k3s/server/tls/client-admin.crt",
    "/var/lib/rancher/k3s/server/tls/client-auth-proxy.crt",
    "/var/lib/rancher/k3s/server/tls/etcd/server-client.crt",
)


@dataclass(frozen=True, slots=True)
class ApiserverCertificate:
    """One certificate file; ``serving`` is whether clients of the API server see it."""

    path: str
    certificate: Certificate
    serving: bool


@dataclass(frozen=True, slots=True)
class ApiserverCertificates:
    """The certificates that were read, and why others were not (files that are not there are left out)."""

    items: tuple[ApiserverCertificate, ...] = ()
    unread: tuple[Unavailable, ...] = ()


_FLAGS = ("tls-cert-file", "kubelet-client-certificate", "proxy-client-cert-file", "etcd-certfile")


def _named(arguments: ApiserverArguments) -> tuple[str, ...]:
    """What the flags name: that of RKE2 and MicroK8s lies in their own directories."""
    found = (arguments.flags.get(name) for name in _FLAGS)
    return tuple(one.value for one in found if one is not None and one.value.startswith("/"))


@fact
def apiserver_certificates(host: Host, arguments: ApiserverArguments) -> ApiserverCertificates:
    """The usual files of K3s or kubeadm, and those that kube-apiserver's flags name."""
    named = arguments.flags.get("tls-cert-file")
    serving = named.value if named is not None else ""
    paths = dict.fromkeys((*_named(arguments), *(_K3S if arguments.is_k3s else _KUBEADM)))
    items: list[ApiserverCertificate] = []
    unread: list[Unavailable] = []
    for path in paths:
        file = host.read(path)
        if isinstance(file, Unavailable):
            if file.reason is not Reason.ABSENT:
                unread.append(file)
            continue
        try:
            leaf = read_certificates(file.data)[0]
        except CertificateError as error:
            unread.append(Unavailable(Reason.INVALID, path, error.reason))
            continue
        items.append(ApiserverCertificate(path, leaf, path in (serving, _KUBEADM[0], _K3S[0])))
    return ApiserverCertificates(tuple(items), tuple(unread))
