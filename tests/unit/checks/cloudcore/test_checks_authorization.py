"""KE114: the rights that authorising edges needs (facts.md §11.9)."""

from __future__ import annotations

from typing import Any

import pytest
from cloudcore_samples import config
from edge_samples import NOT_RECORDED, bilingual

from kedoctor.api import AccessReview, Cluster, Finding, Status, Unavailable
from kedoctor.checks.cloudcore.authorization import cloudcore_authorization
from kedoctor.checks.cloudcore.facts_authorization import AuthorizationRights, authorization_rights
from kedoctor.checks.facts.cloud.cloudcore_rbac import CloudcoreRights
from kedoctor.model.observations.apiserver import ReviewAccess
from kedoctor.model.observations.request import Request

USER = "system:serviceaccount:kubeedge:cloudcore"
GATE = "featureGates: {requireAuthorization: true}\n"
HUB = "modules:\n  cloudHub:\n    authorization: {enable: true, debug: false}\n"
DEBUG = HUB.replace("debug: false", "debug: true")


class Authorizer:
    """Answers for cloudcore's account, and counts what it was asked."""

    def __init__(self, *denied: str, answers: bool = True) -> None:
        self.denied, self.answers, self.asked = denied, answers, list[str]()

    def observe(self, request: Request) -> Any:
        assert isinstance(request, ReviewAccess)
        assert request.user == USER
        name = f"{request.verb} {request.resource}/{request.subresource}".rstrip("/")
        self.asked.append(name)
        return AccessReview(name not in self.denied) if self.answers else NOT_RECORDED


def look(text: str, authorizer: Authorizer) -> Finding:
    known = config(text)
    rights = authorization_rights(Cluster(authorizer), known, CloudcoreRights(USER, ()))
    assert isinstance(rights, AuthorizationRights)
    finding = cloudcore_authorization(known, rights)
    bilingual(finding)
    return finding


@pytest.mark.parametrize("text", ["modules: {}\n", DEBUG])
def test_nobody_is_asked_where_nothing_is_authorised(text: str) -> None:
    authorizer = Authorizer()
    assert look(text, authorizer).status is Status.PASS
    assert authorizer.asked == []


def test_the_gate_needs_the_rights_of_the_charts_own_role() -> None:
    assert look(GATE, Authorizer()).status is Status.PASS
    finding = look(GATE, Authorizer("list serviceaccounts", "update certificatesigningrequests/approval"))
    assert (finding.status, finding.breaks) == (Status.FAIL, None)
    assert "list serviceaccounts" in finding.actual
    assert finding.evidence[0].line == 1


def test_authorisation_of_the_hub_needs_impersonation() -> None:
    authorizer = Authorizer("impersonate users", "impersonate groups")
    finding = look(HUB, authorizer)
    assert (finding.status, finding.breaks, finding.hop) == (Status.FAIL, ("ready",), "link")
    assert authorizer.asked == ["impersonate users", "impersonate groups"]


def test_what_nobody_answers_is_unknown() -> None:
    assert look(GATE, Authorizer(answers=False)).status is Status.UNKNOWN
    assert cloudcore_authorization(config(GATE), NOT_RECORDED).status is Status.UNKNOWN
    assert cloudcore_authorization(config("modules: {}\n"), NOT_RECORDED).status is Status.PASS
    assert isinstance(NOT_RECORDED, Unavailable)
