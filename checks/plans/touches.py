"""Which objects of the cluster the remedies may change: what ``kedoctor rbac --fix`` gives rights for."""

from __future__ import annotations

from kedoctor.api import Touch
from kedoctor.checks.facts.cloud.cloudcore import NAMESPACE
from kedoctor.checks.plans.cloudcore import CLOUDCORE_CONFIG, CLOUDCORE_DEPLOYMENT

__all__ = [
    "CONFIGURATION",
    "DEPLOYMENT",
    "MANAGER",
    "MANAGER_RIGHTS",
    "METRICS_OBJECTS",
    "METRICS_SERVER",
    "NODES",
    "PODS",
    "RELEASE",
    "SECRETS",
    "TUNNELPORT",
]

_RBAC = "/apis/rbac.authorization.k8s.io/v1"
_KUBEEDGE = f"/api/v1/namespaces/{NAMESPACE}"
_SYSTEM = "/api/v1/namespaces/kube-system"

PODS = (Touch("restart", f"{_KUBEEDGE}/pods"),)
"""Restarts of cloudcore or iptables-manager."""

CONFIGURATION = (Touch("patch", CLOUDCORE_CONFIG), *PODS)
DEPLOYMENT = (Touch("patch", CLOUDCORE_DEPLOYMENT),)
TUNNELPORT = (Touch("patch", f"{_KUBEEDGE}/configmaps/tunnelport"), *PODS)
NODES = (Touch("patch", "/api/v1/nodes/*"),)
SECRETS = (
    Touch("patch", f"{_KUBEEDGE}/secrets/cloudcore"),
    Touch("replace", f"{_KUBEEDGE}/secrets/cloudcoresecret"),
)
RELEASE = (Touch("replace", f"{_KUBEEDGE}/secrets/*"),)
MANAGER = (Touch("patch", f"/apis/apps/v1/namespaces/{NAMESPACE}/daemonsets/*"), *PODS)
MANAGER_RIGHTS = (
    Touch("patch", f"{_RBAC}/clusterroles/*"),
    Touch("replace", f"{_RBAC}/clusterroles/kedoctor:iptables-manager"),
    Touch("replace", f"{_RBAC}/clusterrolebindings/kedoctor:iptables-manager"),
)

METRICS_SERVER = (
    Touch("patch", "/apis/apps/v1/namespaces/kube-system/deployments/*"),
    Touch("restart", f"{_SYSTEM}/pods"),
)
METRICS_OBJECTS = (
    Touch("replace", "/apis/apps/v1/namespaces/kube-system/deployments/metrics-server"),
    Touch("replace", f"{_SYSTEM}/serviceaccounts/*"),
    Touch("replace", f"{_SYSTEM}/services/metrics-server"),
    Touch("replace", "/apis/apiregistration.k8s.io/v1/apiservices/v1beta1.metrics.k8s.io"),
    Touch("replace", f"{_RBAC}/clusterroles/*"),
    Touch("replace", f"{_RBAC}/clusterrolebindings/*"),
    Touch("replace", f"{_RBAC}/namespaces/kube-system/rolebindings/*"),
    Touch("restart", f"{_SYSTEM}/pods"),
)
