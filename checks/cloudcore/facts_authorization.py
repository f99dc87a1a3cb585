"""What cloudcore's account must be allowed where cloudcore authorises edges, as the authorizers say (facts.md §11.9)."""

from __future__ import annotations

from dataclasses import dataclass

from kedoctor.api import AccessReview, Cluster, Unavailable, fact
from kedoctor.checks.facts.cloud.cloudcore import CloudcoreConfig
from kedoctor.checks.facts.cloud.cloudcore_rbac import CloudcoreRights, Right

__all__ = ["AuthorizationRights"]

# manifests/charts/cloudcore/templates/rbac_cloudcore_feature.yaml, which the chart only makes with the gate on.
_GATE = (
    Right("list", "serviceaccounts"),
    Right("watch", "serviceaccounts"),
    Right("list", "serviceaccountaccesses", "policy.kubeedge.io"),
    Right("list", "rolebindings", "rbac.authorization.k8s.io"),
    Right("list", "clusterrolebindings", "rbac.authorization.k8s.io"),
    Right("update", "certificatesigningrequests", "certificates.k8s.io", "approval"),
)
# cloud/pkg/common/client/impersonation.go: requests for an edge are made in the name of its Node.
_IMPERSONATE = (Right("impersonate", "users"), Right("impersonate", "groups"))


@dataclass(frozen=True, slots=True)
class AuthorizationRights:
    """Which of the two ways of authorising are on, and the rights that are ``denied`` or could not be asked about.

    ``gate`` is the feature gate requireAuthorization, ``hub`` cloudHub.authorization without debug.
    """

    gate: bool
    hub: bool
    user: str
    denied: tuple[Right, ...] = ()
    unanswered: Unavailable | None = None


@fact
def authorization_rights(
    cluster: Cluster, config: CloudcoreConfig, account: CloudcoreRights
) -> AuthorizationRights:
    """A SubjectAccessReview for each right that the switched-on parts need; none where nothing is on."""
    gate = config.value("featureGates.requireAuthorization") is True
    hub = (
        config.value("modules.cloudHub.authorization.enable") is True
        and config.value("modules.cloudHub.authorization.debug") is not True
    )
    wanted = (*(_GATE if gate else ()), *(_IMPERSONATE if hub else ()))
    denied: list[Right] = []
    for right in wanted if account.user else ():
        answer = cluster.may(
            right.verb, right.resource, group=right.group, subresource=right.subresource, user=account.user
        )
        if isinstance(answer, Unavailable):
            return AuthorizationRights(gate, hub, account.user, tuple(denied), answer)
        if isinstance(answer, AccessReview) and not answer.allowed:
            denied.append(right)
    return AuthorizationRights(gate, hub, account.user, tuple(denied))
