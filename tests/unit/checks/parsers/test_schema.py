"""What edgecore and cloudcore make of a configuration file, and what they do not read of it."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kedoctor.checks.parsers.config.go_types import FieldType
from kedoctor.checks.parsers.config.schema import CLOUDCORE, EDGECORE, Schema, Violation, effective
from kedoctor.yaml.document import load

CONFIGURATION = Path(__file__).parents[3] / "fixtures" / "configuration"
KUBELET = "modules.edged.tailoredKubeletConfig"

# What the kubeprepare installer writes into the ConfigMap (facts.md §10.4), and what the chart writes.
PARTIAL_CLOUDCORE = """\
modules:
  cloudHub:
    advertiseAddress: [10.99.0.1]
    nodeLimit: 1000
    https: {enable: true, port: 10002, address: 0.0.0.0}
    websocket: {enable: true, port: 10000, address: 0.0.0.0}
    dnsNames:
    -
  cloudStream: {enable: yes, streamPort: 10003, tunnelPort: 10004}
  dynamicController: {enable: true}
"""


def written(path: str, value: str) -> str:
    """A document with one value at one path."""
    parts = path.split(".")
    return (
        "".join("  " * depth + f"{part}:\n" for depth, part in enumerate(parts)).rstrip("\n") + f" {value}\n"
    )


def inspect(schema: Schema, text: str) -> tuple[Violation, ...]:
    document = load(text)
    return schema.inspect(document.data, document)


def only(schema: Schema, text: str) -> Violation:
    (deviation,) = inspect(schema, text)
    return deviation


@pytest.mark.parametrize(("schema", "name"), [(EDGECORE, "edgecore"), (CLOUDCORE, "cloudcore")])
def test_the_file_of_a_healthy_site_deviates_in_nothing(schema: Schema, name: str) -> None:
    document = load((CONFIGURATION / f"{name}-healthy.yaml").read_bytes())
    values, violations = effective(schema, document)
    assert violations == ()
    assert schema.program == name

    def contained(part: dict[str, Any], whole: dict[str, Any]) -> bool:
        return all(
            contained(v, whole[k]) if isinstance(v, dict) and k != "evictionHard" else whole.get(k) == v
            for k, v in part.items()
        )

    assert contained(document.data, values)
    assert schema.values(values) == values


def test_parts_of_a_file_are_fine_and_the_rest_is_code_defaults() -> None:
    assert inspect(CLOUDCORE, "") == ()
    assert inspect(CLOUDCORE, PARTIAL_CLOUDCORE) == ()
    tree = load(PARTIAL_CLOUDCORE).data
    assert CLOUDCORE.effective(tree, "modules.cloudStream.enable") is True
    assert CLOUDCORE.effective({}, "modules.cloudStream.enable") is False
    assert CLOUDCORE.effective(tree, "modules.iptablesManager.mode") == "internal"
    assert CLOUDCORE.effective(tree, "modules.cloudHub.dnsNames") == [""]
    assert EDGECORE.effective({}, "modules.edgeStream.server") == "127.0.0.1:10004"
    assert EDGECORE.effective({}, f"{KUBELET}.readOnlyPort") == 10350
    assert EDGECORE.effective({}, f"{KUBELET}.enforceNodeAllocatable") == ["pods"]
    assert EDGECORE.effective({}, "modules.edgeHub.httpServer") is None  # depends on the host
    assert EDGECORE.effective({}, "modules.nothing.here") is None


def test_defaults_are_not_shared_between_files() -> None:
    EDGECORE.values({})["modules"]["edged"]["tailoredKubeletConfig"]["enforceNodeAllocatable"].append("x")
    assert EDGECORE.effective({}, f"{KUBELET}.enforceNodeAllocatable") == ["pods"]


@pytest.mark.parametrize(
    "text",
    [
        written(f"{KUBELET}.clusterDNS", "[169.254.96.16]"),
        written(f"{KUBELET}.featureGates", "{DisableCSIVolumePlugin: true}"),
        written(f"{KUBELET}.registerWithTaints", "[{key: a, effect: NoSchedule}]"),
        written(f"{KUBELET}.systemReserved", "{cpu: 1, memory: 1Gi}"),
        written(f"{KUBELET}.kubeReserved", "{anything: goes}"),
        written(f"{KUBELET}.allowedUnsafeSysctls", "['net.*']"),
        written(f"{KUBELET}.evictionSoft", "{}"),
        written(f"{KUBELET}.logging.vmodule", "[{filePattern: a, verbosity: 5}]"),
        written(f"{KUBELET}.logging.flushFrequency", "5000000000"),
        written(f"{KUBELET}.logging", ""),
        written(f"{KUBELET}.cpuCFSQuotaPeriod", "null"),
        written("modules.edged.nodeLabels", "{a/b: c}"),
        written("MODULES.EdgeStream.ENABLE", "on"),
        written("modules.edgeHub.httpServer", "7"),
        written("modules.edgeHub.heartbeat", "15.0"),
        written("featureGates.moduleRestart", "true"),
    ],
)
def test_what_go_reads_without_complaint(text: str) -> None:
    assert inspect(EDGECORE, text) == ()


@pytest.mark.parametrize(
    ("path", "meant", "places"),
    [
        ("modules.edgeStream.enabled", "enable", ()),
        ("modules.edgeStreem", "edgeStream", ()),
        ("modules.edgeHub.tlsCAFiles", "tlsCaFile", ()),
        ("modules.edgeStream.tunnelServer", None, ("modules.edgeStream.server",)),
        ("modules.edged.clusterDNS", None, (f"{KUBELET}.clusterDNS",)),
        ("modules.edged.clusterdomain", None, (f"{KUBELET}.clusterDomain",)),
        ("modules.edged.containerLogMaxFiles", None, (f"{KUBELET}.containerLogMaxFiles",)),
        ("modules.edged.containerLogMaxSize", None, (f"{KUBELET}.containerLogMaxSize",)),
        ("modules.edged.remoteRuntimeEndpoint", None, (f"{KUBELET}.containerRuntimeEndpoint",)),
        ("modules.edged.cgroupDriver", None, (f"{KUBELET}.cgroupDriver",)),
        ("modules.edged.labels", None, ("modules.edged.nodeLabels",)),
        (f"{KUBELET}.hostnameOverride", None, ("modules.edged.hostnameOverride",)),
        ("edgeStream", None, ("modules.edgeStream",)),
        ("modules.edged.server", None, ()),
        ("modules.edged.runtimeType", None, ()),
        ("modules.edged.networkPluginName", None, ()),
        (f"{KUBELET}.port", None, (f"{KUBELET}.readOnlyPort",)),
    ],
)
def test_keys_that_are_not_read(path: str, meant: str | None, places: tuple[str, ...]) -> None:
    found = only(EDGECORE, written(path, "x"))
    assert (found.kind, found.fatal, found.path_text, found.line) == (
        "unknown-key",
        False,
        path,
        path.count(".") + 1,
    )
    assert (found.did_you_mean, found.belongs_at) == (meant, places)
    for told in (found.text.en, found.text.zh):
        assert path in told
        assert (meant or (places or ("",))[0]) in told


def test_old_keys_say_what_took_their_place() -> None:
    assert "CRI runtimes" in only(EDGECORE, written("modules.edged.runtimeType", "remote")).text.en
    assert "CNI configuration" in only(EDGECORE, written("modules.edged.networkPluginName", "cni")).text.en
    assert "secure kubelet port" in only(EDGECORE, written(f"{KUBELET}.tlsCertFile", "x")).text.en
    assert only(CLOUDCORE, written("modules.nodeUpgradeJobController.enable", "true")).belongs_at == (
        "modules.taskManager",
    )


@pytest.mark.parametrize(
    ("path", "value", "wanted"),
    [
        ("modules.edgeStream.enable", "'true'", "true or false"),
        ("modules.edgeStream.enable", "1", "true or false"),
        ("modules.edgeHub.heartbeat", "15s", "a whole number"),
        ("modules.edgeHub.heartbeat", "'15'", "a whole number"),
        ("modules.edgeHub.heartbeat", "15.5", "a whole number"),
        ("modules.edgeHub.heartbeat", "3000000000", "not above 2147483647"),
        ("modules.eventBus.mqttQOS", "-1", "from 0 to 255"),
        ("modules.edged.hostnameOverride", "5", "a string"),
        ("modules.edgeStream.server", "[a]", "a string"),
        (f"{KUBELET}.syncFrequency", "60", "a duration"),
        (f"{KUBELET}.syncFrequency", "1 min", "a duration"),
        (f"{KUBELET}.syncFrequency", "", "a duration"),
        (f"{KUBELET}.clusterDNS", "10.43.0.10", "a list of strings"),
        (f"{KUBELET}.registerWithTaints", "{}", "a list"),
        (f"{KUBELET}.evictionHard", "[]", "a mapping"),
        (f"{KUBELET}.memoryThrottlingFactor", "'0.9'", "a number"),
        (f"{KUBELET}.logging.options.text.infoBufferSize", "big", "a quantity"),
        (f"{KUBELET}.logging.flushFrequency", "soon", "a duration"),
        ("modules.edgeStream", "true", "a section with keys"),
        ("modules", "[]", "a section with keys"),
    ],
)
def test_types_that_go_refuses(path: str, value: str, wanted: str) -> None:
    found = only(EDGECORE, written(path, value))
    assert (found.kind, found.fatal, found.path_text) == ("wrong-type", True, path)
    assert found.expected is not None
    assert wanted in found.expected.en
    assert "edgecore needs" in found.text.en
    assert "而 edgecore 需要" in found.text.zh


def test_a_wrong_item_is_named_itself() -> None:
    gate = only(EDGECORE, written("featureGates.moduleRestart", "'true'"))
    assert (gate.path, gate.line) == (("featureGates", "moduleRestart"), 2)
    server = only(EDGECORE, written(f"{KUBELET}.clusterDNS", "[10.43.0.10, [x]]"))
    assert server.path_text == f"{KUBELET}.clusterDNS.1"
    assert server.position is not None
    assert str(server.position).startswith("4:")


def test_no_text_repeats_a_secret() -> None:
    for path in ("modules.edgeHub.token", "modules.eventBus.mqttPassword"):
        found = only(EDGECORE, written(path, "{deep: s3cret}"))
        assert "s3cret" not in repr(found)
    shown = only(EDGECORE, written("modules.edgeHub.heartbeat", "'" + "x" * 100 + "'"))
    assert len(shown.actual) < 90


@pytest.mark.parametrize(
    ("schema", "path", "fatal"),
    [
        (EDGECORE, "modules", True),
        (EDGECORE, "modules.edgeStream", True),
        (EDGECORE, "Modules.EDGESTREAM", True),
        (EDGECORE, "modules.metaManager.metaServer", False),
        (CLOUDCORE, "modules.cloudHub.https", True),
        (CLOUDCORE, "modules.cloudHub.authorization", False),
    ],
)
def test_empty_sections(schema: Schema, path: str, fatal: bool) -> None:
    found = only(schema, written(path, ""))
    assert (found.kind, found.fatal, found.path_text) == ("null-section", fatal, path)
    assert "empty section" in found.text.en
    assert only(schema, written(path, "~")).text == found.text


@pytest.mark.parametrize(
    ("schema", "text", "path"),
    [
        (EDGECORE, written(f"{KUBELET}.cgroupDriver", "Systemd"), f"{KUBELET}.cgroupDriver"),
        (EDGECORE, written("modules.eventBus.mqttMode", "3"), "modules.eventBus.mqttMode"),
        (EDGECORE, written("modules.edgeHub.messageQPS", "-1"), "modules.edgeHub.messageQPS"),
        (EDGECORE, written("modules.edged.hostnameOverride", "Edge_1"), "modules.edged.hostnameOverride"),
        (EDGECORE, written("modules.edgeHub.quic.enable", "true"), "modules.edgeHub.quic.enable"),
        (EDGECORE, written("modules.edgeHub.websocket.enable", "false"), "modules.edgeHub.quic.enable"),
        (CLOUDCORE, written("modules.iptablesManager.mode", "both"), "modules.iptablesManager.mode"),
        (CLOUDCORE, written("modules.iptablesManager.mode", "''"), "modules.iptablesManager.mode"),
        (CLOUDCORE, written("modules.cloudHub.advertiseAddress", "[]"), "modules.cloudHub.advertiseAddress"),
        (CLOUDCORE, written("modules.cloudHub.advertiseAddress", ""), "modules.cloudHub.advertiseAddress"),
        (CLOUDCORE, written("modules.cloudHub.websocket.port", "0"), "modules.cloudHub.websocket.port"),
        (CLOUDCORE, written("modules.cloudHub.quic.address", "any"), "modules.cloudHub.quic.address"),
        (
            CLOUDCORE,
            written("modules.cloudHub.unixsocket.address", "/x"),
            "modules.cloudHub.unixsocket.address",
        ),
        (
            CLOUDCORE,
            written("modules.cloudHub.tokenRefreshDuration", "0"),
            "modules.cloudHub.tokenRefreshDuration",
        ),
        (
            CLOUDCORE,
            written("commonConfig.monitorServer.bindAddress", "localhost:9091"),
            "commonConfig.monitorServer.bindAddress",
        ),
        (
            CLOUDCORE,
            written("commonConfig.monitorServer.bindAddress", "1.2.3.4:70000"),
            "commonConfig.monitorServer.bindAddress",
        ),
        (CLOUDCORE, written("kubeAPIConfig.kubeConfig", "kubeconfig"), "kubeAPIConfig.kubeConfig"),
    ],
)
def test_values_that_validation_refuses(schema: Schema, text: str, path: str) -> None:
    found = only(schema, text)
    assert (found.kind, found.fatal, found.path_text) == ("bad-value", True, path)
    assert schema.program in found.text.en


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        (EDGECORE, "modules: {edgeHub: {quic: {enable: true}, websocket: {enable: false}}}"),
        (EDGECORE, "modules: {edgeHub: {enable: false, websocket: {enable: false}}}"),
        (EDGECORE, "modules: {edged: {enable: false, tailoredKubeletConfig: {cgroupDriver: x}}}"),
        (CLOUDCORE, "commonConfig: {monitorServer: {bindAddress: '[::1]:9091'}}"),
        (CLOUDCORE, "modules: {cloudHub: {enable: false, websocket: {port: 0}}}"),
        (CLOUDCORE, "modules: {iptablesManager: {mode: }}"),
    ],
)
def test_values_that_validation_lets_pass(schema: Schema, text: str) -> None:
    assert inspect(schema, text) == ()


def test_spellings_of_one_key_are_told_and_the_last_in_order_counts() -> None:
    text = (
        "modules:\n  edgestream: {Enable: true, enable: false}\n  edgeStream: {enable: true, server: 'a:1'}\n"
    )
    kinds = [(found.kind, found.line) for found in inspect(EDGECORE, text)]
    assert kinds == [("duplicate-key", 2), ("duplicate-key", 3)]
    tree = load(text).data
    assert EDGECORE.effective(tree, "modules.edgeStream.enable") is False
    assert EDGECORE.effective(tree, "Modules.EdgeStream.Server") == "a:1"


def test_numbers_become_strings_and_null_leaves_the_default() -> None:
    tree = load("modules: {edgeStream: {server: 10004, enable: }, edgeHub: {heartbeat: 2e1}}").data
    assert EDGECORE.effective(tree, "modules.edgeStream.server") == "10004"
    assert EDGECORE.effective(tree, "modules.edgeStream.enable") is False
    assert EDGECORE.effective(tree, "modules.edgeHub.heartbeat") == 20
    pointer = load(written(f"{KUBELET}.enableDebuggingHandlers", "null")).data
    assert EDGECORE.effective(pointer, f"{KUBELET}.enableDebuggingHandlers") is None
    assert EDGECORE.effective(
        load(written(f"{KUBELET}.clusterDNS", "[1, ~]")).data, f"{KUBELET}.clusterDNS"
    ) == ["1", ""]


def test_the_data_files_agree_with_themselves() -> None:
    for schema in (EDGECORE, CLOUDCORE):
        data = schema._data
        sections = [*data["null_panics"], *data["null_keeps"]]
        rules = [value for rule in data["rules"] for value in (rule["path"], rule.get("when", "kind"))]
        pairs = [value for pair in data["exactly_one"] for value in pair.values()]
        assert all(schema.knows(path) for path in [*sections, *rules, *pairs, *data["moved"].values()])
        outdated = [*data["moved"], *(key for group in data["gone"].values() for key in group["keys"])]
        assert not [path for path in outdated if schema.knows(path)]
        assert schema.inspect(schema.values({})) == ()


def test_types_are_written_as_they_are_read() -> None:
    assert FieldType.parse("strings = a, b") == (FieldType("strings"), ["a", "b"])
    assert FieldType.parse('string! = ""') == (FieldType("string", embedded=True), "")
    assert FieldType.parse("bool? = true") == (FieldType("bool", optional=True), True)


TREES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "modules",
                    "edged",
                    "edgeStream",
                    "enable",
                    "Enable",
                    "server",
                    "cloudHub",
                    "nodeLabels",
                    "x",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=15,
)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from(["modules", "kind", "featureGates", "x"]), TREES, max_size=3))
def test_any_tree_can_be_inspected(tree: dict[str, Any]) -> None:
    for schema in (EDGECORE, CLOUDCORE):
        assert all(found.path and found.text.zh for found in schema.inspect(tree))
        assert isinstance(schema.values(tree), dict)
