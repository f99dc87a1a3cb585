"""The objects that metrics-server is made of: all nine, judged by what they do (facts.md §8.3)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kedoctor.api import (
    Evidence,
    Finding,
    Risk,
    Side,
    Text,
    Unavailable,
    check,
    failed,
    passed,
    unknown,
    warned,
)
from kedoctor.checks.facts.cluster.metrics import (
    API_SERVICE,
    MetricsAccess,
    MetricsRegistration,
    MetricsServer,
)
from kedoctor.checks.metrics.deployment import not_ours
from kedoctor.checks.parsers.kubernetes import ClusterRoleBinding, PolicyRule, RoleBinding

__all__ = ["allows", "metrics_objects"]

_APPLY = "kubectl apply -f metrics-server/components.yaml  # the complete set for your version, from the offline bundle"
_READER = "extension-apiserver-authentication-reader"
_ROLE = "system:metrics-server"
_DELEGATOR = "metrics-server:system:auth-delegator"
_AUTH_READER = "metrics-server-auth-reader"
_AGGREGATE = ("admin", "edit", "view")


@dataclass(frozen=True, slots=True)
class _Lack:
    """An object that is missing, or is ``there`` and does not do what it is for; and what follows."""

    name: str
    without: Text
    there: bool = False


@check(
    code="KE601",
    slug="metrics-objects",
    title=Text("The objects of metrics-server are complete", zh="metrics-server 的对象完整"),
    side=Side.SITE,
    breaks=("top",),
    hop="apiservice",
    remedy=Text(
        "Apply the complete set of objects for the version in use.", zh="为所用版本应用完整的对象清单。"
    ),
    risk=Risk.SAFE,
    references=("facts.md §8.3", "facts.md §9 (13, 14)"),
)
def metrics_objects(
    registration: MetricsRegistration, server: MetricsServer, access: MetricsAccess | Unavailable
) -> Iterator[Finding]:
    """Registration, Service, Deployment, account, and the rights of that account."""
    if registration.service is None and not server.installed:
        yield _not_installed()
        return
    skip = not_ours(server)
    if skip is not None:
        yield skip
        return
    missing = [*_workload(registration, server), *_rights(server, access)]
    yield from map(_missing, missing)
    told = {one.name.partition("/")[2] for one in missing}
    small = None if _ROLE in told else _small(server, access)
    if small is not None:
        yield small
    if not missing and small is None:
        yield _complete(server, access)


def _not_installed() -> Finding:
    return failed(
        Text(
            "The metrics API is not installed: kubectl top ends with `error: Metrics API not available`.",
            zh="未安装指标 API：kubectl top 会报 `error: Metrics API not available`。",
        ),
        expected=Text(
            "APIService v1beta1.metrics.k8s.io and metrics-server",
            zh="APIService v1beta1.metrics.k8s.io 及 metrics-server",
        ),
        actual=Text("neither", zh="两者都没有"),
        hint=Text(
            "Install metrics-server; logs, exec and attach do not need it.",
            zh="安装 metrics-server；logs、exec 和 attach 不需要它。",
        ),
        subject=f"apiservice/{API_SERVICE}",
        evidence=(Evidence("apiservices", f"{API_SERVICE} is not there"),),
        commands=(_APPLY, "kedoctor explain KE601"),
    )


def _workload(registration: MetricsRegistration, server: MetricsServer) -> Iterator[_Lack]:
    where = f"{server.namespace}/{server.service_name}"
    if registration.service is None:
        yield _Lack(f"apiservice/{API_SERVICE}", Text("the metrics API does not exist", zh="指标 API 不存在"))
    if server.service is None:
        yield _Lack(
            f"service/{where}",
            Text(
                "the metrics API stays unavailable (ServiceNotFound)",
                zh="指标 API 一直不可用（ServiceNotFound）",
            ),
        )
    if server.deployment is None and not server.staying:
        yield _Lack(f"deployment/{where}", Text("nothing collects any metrics", zh="没有任何组件采集数据"))


def _rights(server: MetricsServer, access: MetricsAccess | Unavailable) -> Iterator[_Lack]:
    spec = server.spec
    if isinstance(access, Unavailable) or spec is None:
        return
    account = spec.service_account_name or "default"
    if account not in {one.metadata.name for one in access.accounts}:
        without = Text("its Deployment cannot create a pod", zh="其 Deployment 无法创建 Pod")
        yield _Lack(f"serviceaccount/{server.namespace}/{account}", without)
    rules = granted(access, server.namespace, account)
    if not _lists_and_watches(rules):
        yield _cannot_list(access)
    if not allows(rules, "create", "authorization.k8s.io", "subjectaccessreviews"):
        yield _Lack(
            f"clusterrolebinding/{_DELEGATOR}",
            Text("it refuses everybody who asks for metrics", zh="会拒绝所有查询指标的请求"),
            there=_is_among(access.cluster_role_bindings, _DELEGATOR),
        )
    if not _reads_authentication(access, server.namespace, account, rules):
        yield _Lack(
            f"rolebinding/kube-system/{_AUTH_READER}",
            Text("it ends at start: it cannot read how to authenticate", zh="启动即退出：无法读取认证配置"),
            there=_is_among(access.role_bindings, _AUTH_READER),
        )


def _lists_and_watches(rules: Sequence[PolicyRule]) -> bool:
    return all(allows(rules, verb, "", kind) for verb in ("list", "watch") for kind in ("nodes", "pods"))


def _cannot_list(access: MetricsAccess) -> _Lack:
    """The binding, where the role allows it and nothing gives it to the account; else the role."""
    role = next((one for one in access.cluster_roles if one.metadata.name == _ROLE), None)
    follows = Text(
        "it may not list and watch nodes and pods, so it never begins to listen",
        zh="无权 list、watch 节点和 Pod，因此永远不会开始监听",
    )
    if role is not None and _lists_and_watches(role.rules or ()):
        there = _is_among(access.cluster_role_bindings, _ROLE)
        return _Lack(f"clusterrolebinding/{_ROLE}", follows, there=there)
    return _Lack(f"clusterrole/{_ROLE}", follows, there=role is not None)


def _is_among(objects: Sequence[ClusterRoleBinding | RoleBinding], name: str) -> bool:
    return any(one.metadata.name == name for one in objects)


def granted(access: MetricsAccess, namespace: str, account: str) -> tuple[PolicyRule, ...]:
    """The rules that an account has in the whole cluster."""
    roles = {
        binding.role_ref.name
        for binding in access.cluster_role_bindings
        if _binds(binding.subjects, namespace, account)
    }
    return tuple(
        rule for role in access.cluster_roles if role.metadata.name in roles for rule in role.rules or ()
    )


def _binds(subjects: Sequence[object] | None, namespace: str, account: str) -> bool:
    groups = ("system:authenticated", "system:serviceaccounts", f"system:serviceaccounts:{namespace}")
    for subject in subjects or ():
        kind, name, where = (getattr(subject, part, "") for part in ("kind", "name", "namespace"))
        if (kind, name, where) == ("ServiceAccount", account, namespace):
            return True
        if kind == "Group" and name in groups:
            return True
        if kind == "User" and name == f"system:serviceaccount:{namespace}:{account}":
            return True
    return False


def allows(rules: Sequence[PolicyRule], verb: str, group: str, resource: str) -> bool:
    """Whether one of the rules allows the verb on every object of that resource."""
    return any(
        _has(rule.verbs, verb)
        and _has(rule.api_groups, group)
        and (_has(rule.resources, resource) or f"*/{resource.partition('/')[2]}" in (rule.resources or ()))
        and not rule.resource_names
        for rule in rules
    )


def _has(values: Sequence[str] | None, wanted: str) -> bool:
    return wanted in (values or ()) or "*" in (values or ())


def _reads_authentication(
    access: MetricsAccess, namespace: str, account: str, rules: Sequence[PolicyRule]
) -> bool:
    bound = any(
        binding.role_ref.name == _READER and _binds(binding.subjects, namespace, account)
        for binding in access.role_bindings
    )
    return bound or allows(rules, "get", "", "configmaps")


def _missing(lack: _Lack) -> Finding:
    name, without = lack.name, lack.without
    said = Text(f"{name} is missing: {without.en}.", zh=f"缺少 {name}：{without.zh}。")
    if lack.there:
        less = "does not bind metrics-server's account" if "binding" in name else "has too few rules"
        few = "未绑定 metrics-server 的账号" if "binding" in name else "规则不足"
        said = Text(f"{name} {less}: {without.en}.", zh=f"{name} {few}：{without.zh}。")
    return failed(
        said,
        expected=Text(f"{name}, or another that does the same", zh=f"{name}，或作用相同的对象"),
        actual=Text("smaller", zh="偏小") if lack.there else Text("not there", zh="不存在"),
        hint=Text(
            "Apply the complete manifest for the version in use; parts of it do not do.",
            zh="应用所用版本的完整清单；只应用其中一部分不够。",
        ),
        subject=name,
        commands=(f"kubectl get {' '.join(_as_arguments(name))}", _APPLY),
    )


def _as_arguments(name: str) -> tuple[str, ...]:
    kind, _, rest = name.partition("/")
    namespace, slash, thing = rest.partition("/")
    return ("-n", namespace, kind, thing) if slash else (kind, rest)


def _small(server: MetricsServer, access: MetricsAccess | Unavailable) -> Finding | None:
    """What only concerns cloud kubelets or users without cluster-admin: it breaks no edge."""
    spec = server.spec
    if isinstance(access, Unavailable) or spec is None:
        return None
    needs = "nodes/stats" if (server.version or (0, 8)) < (0, 6) else "nodes/metrics"
    rules = granted(access, server.namespace, spec.service_account_name or "default")
    if not allows(rules, "get", "", needs):
        return _advice(
            f"clusterrole/{_ROLE}",
            Text(
                f"metrics-server may not get {needs}: kubelets of cloud nodes refuse it, edges do not.",
                zh=f"metrics-server 无权 get {needs}：云端节点的 kubelet 会拒绝，边缘节点不会。",
            ),
        )
    labels = {f"rbac.authorization.k8s.io/aggregate-to-{role}" for role in _AGGREGATE}
    readers = [role for role in access.cluster_roles if labels & set(role.metadata.labels)]
    if not any(allows(role.rules or (), "list", "metrics.k8s.io", "nodes") for role in readers):
        return _advice(
            "clusterrole/system:aggregated-metrics-reader",
            Text(
                "No role gives view, edit or admin the right to read metrics: only cluster-admin can use kubectl top.",
                zh="没有角色为 view、edit 或 admin 提供读取指标的权限：只有 cluster-admin 能使用 kubectl top。",
            ),
        )
    return None


def _advice(subject: str, summary: Text) -> Finding:
    return warned(
        summary,
        expected=Text(f"{subject} as in the upstream manifest", zh=f"与上游清单一致的 {subject}"),
        actual=Text("smaller", zh="偏小"),
        hint=Text("Apply the complete manifest for the version in use.", zh="应用所用版本的完整清单。"),
        subject=subject,
        commands=(_APPLY,),
        breaks=(),
        hop="",
    )


def _complete(server: MetricsServer, access: MetricsAccess | Unavailable) -> Finding:
    unread = [part for part in (server.service, server.deployment, access) if isinstance(part, Unavailable)]
    if unread:
        return unknown(
            Text(
                f"What was read of metrics-server's objects is there; not read: {'; '.join(map(str, unread))}.",
                zh=f"已读取的 metrics-server 对象均存在；未能读取：{'；'.join(one.in_chinese for one in unread)}。",
            ),
            subject=f"apiservice/{API_SERVICE}",
        )
    return passed(
        Text("All objects of metrics-server are there.", zh="metrics-server 的对象齐全。"),
        subject=f"apiservice/{API_SERVICE}",
    )
