"""Reading YAML as Go reads it, and editing it without touching what was not asked for."""

import json
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kedoctor.yaml.document import (
    MoveKey,
    Position,
    RemoveKey,
    SetKey,
    YamlEditError,
    YamlError,
    load,
)
from kedoctor.yaml.edit import edit

EDGECORE = b"""\
apiVersion: edgecore.config.kubeedge.io/v1alpha2
# the modules
modules:
  edgeHub:
    token: ''
    websocket:
      enable: true # keep
      server: 10.99.0.1:10000
  edgeStream:
    enable: false   # default
    server: 127.0.0.1:10004

  # about edged
  edged:
    clusterDNS:   # EdgeMesh
    - 169.254.96.16
    tailoredKubeletConfig:
      evictionHard:
        memory.available: 100Mi
      memorySwap: {}
"""


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", True),
        ("On", True),
        ("y", True),
        ("OFF", False),
        ("n", False),
        ("tRue", "tRue"),
        ("~", None),
        ("", None),
        ("0x1F", 31),
        ("0o17", 15),
        ("017", 15),
        ("08", 8.0),
        ("0b11", 3),
        ("1_000", 1000),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("1e999", "1e999"),
        ("18446744073709551615", 2**64 - 1),
        ("1:30", "1:30"),  # not 90: go-yaml knows no base 60
        ("2026-11-23", "2026-11-23"),
        ("10.99.0.1:10000", "10.99.0.1:10000"),
        ("'yes'", "yes"),
        ("!!str 5", "5"),
        ("!!int '5'", 5),
        ("!!float 5", 5.0),
        ("!!binary aGk=", "hi"),
        ("!other 5", "5"),
        ("!!timestamp 2026-11-23", "2026-11-23"),
        ("!!null ''", None),
        ("!!bool off", False),
    ],
)
def test_scalars_mean_what_they_mean_to_go(text: str, value: object) -> None:
    found = load(f"a: {text}\n").data["a"]
    assert (type(found), found) == (type(value), value)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("1: x", "1"),
        ("yes: x", "true"),
        ("1.5: x", "1.5"),
        ("1e6: x", "1e+06"),
        (".inf: x", ".inf"),
        ("a b: x", "a b"),
    ],
)
def test_keys_become_strings(text: str, key: str) -> None:
    assert load(text).data == {key: "x"}


@pytest.mark.parametrize(
    ("text", "line", "column", "kind"),
    [
        (b"a:\n\tb: 1\n", 2, 1, "tab"),
        (b"a: 1\nb: [1, 2\nc: 3\n", 3, 2, "syntax"),
        (b"a: 1\n  b: 2\n", 2, 4, "syntax"),
        (b"a: 1\nb: \xff\n", 2, 1, "binary"),
        (b"a: 1\nb: \x01\n", 2, 1, "binary"),
        (b"- a\n", 1, 1, "not-a-mapping"),
        (b"text", 1, 1, "not-a-mapping"),
        (b"[" * 1000, 1, 201, "too-deep"),
        (b"a: *b\n", 1, 4, "aliases"),
        (b"a: &b [*b]\n", 1, 8, "aliases"),
        (b"a: .inf\n", 1, 4, "value"),
        (b"a: !!int x\n", 1, 4, "value"),
        (b"a: !!binary '*'\n", 1, 4, "value"),
        (b"? [a]\n: b\n", 1, 3, "value"),
        (b"~: b\n", 1, 1, "value"),
        (b"a:\n  <<: text\n", 2, 7, "value"),
        (b"#" * (1024 * 1024 + 1), 1, 1, "too-large"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_place(text: bytes, line: int, column: int, kind: str) -> None:
    with pytest.raises(YamlError) as caught:
        load(text)
    assert (caught.value.line, caught.value.column, caught.value.kind) == (line, column, kind)


def test_a_billion_laughs_are_refused_at_once() -> None:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    lines += [
        f"{b}: &{b} [{', '.join('*' + a for _ in range(9))}]"
        for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    ]
    started = time.perf_counter()
    with pytest.raises(YamlError, match="stands for more than"):
        load("\n".join(lines))
    assert time.perf_counter() - started < 1


def test_tabs_between_words_are_read_as_go_reads_them() -> None:
    document = load(b"a:\t1\t# c\nb: x\ty\n'c'\t: 'p\tq'\n")
    assert document.data == {"a": 1, "b": "x\ty", "c": "p\tq"}
    with pytest.raises(YamlError, match="a tab is used for indentation"):
        load(b"l:\n-\t- 1\n")
    with pytest.raises(YamlError, match="tabs"):
        load(b"- x\ty\n" * 300)


def test_an_empty_document_is_an_empty_tree_as_it_is_for_go() -> None:
    for text in (b"", b"# only a comment\n", b"---\n", b"null\n", b"\xef\xbb\xbf"):
        document = load(text)
        assert (document.data, document.position("a"), document.value("a", 7)) == ({}, None, 7)


def test_a_second_document_is_not_read_and_its_place_is_told() -> None:
    assert load(b"a: 1\n---\nb: 2\n").ignored_from == Position(2, 1)
    assert load(b"a: 1\n---\nb: [\n").data == {"a": 1}
    assert load(b"a: 1\n...\n").ignored_from is None


def test_positions_of_keys_and_values() -> None:
    document = load(EDGECORE)
    assert document.position("modules.edgeStream.enable") == Position(10, 5)
    assert document.value_position("modules.edgeStream.enable") == Position(10, 13)
    assert document.position(["modules", "edged", "clusterDNS", 0]) == Position(16, 7)
    path = ("modules", "edged", "tailoredKubeletConfig", "evictionHard", "memory.available")
    assert (document.value(path), str(document.position(path))) == ("100Mi", "19:9")
    assert document.position("modules.nothing.here") is None
    assert document.value_position("modules.nothing") is None
    assert load("a:\nb: 1\n").value_position("a") == Position(1, 2)


def test_the_last_of_two_equal_keys_wins_and_both_are_told() -> None:
    document = load("m:\n  a: 1\n  b: 2\n  a: 3\n1: x\n'1': z\n")
    assert document.data == {"m": {"a": 3, "b": 2}, "1": "z"}
    first, second = document.duplicates
    assert (first.path, first.first, first.last) == (("m", "a"), Position(2, 3), Position(4, 3))
    assert second.path == ("1",)
    assert document.position("m.a") == Position(4, 3)


def test_merges_follow_go_yaml_also_where_it_differs_from_the_specification() -> None:
    text = "base: &b {a: 1, c: 1}\nother: &o {c: 2, d: 2}\nm:\n  a: 0\n  <<: [*b, *o]\n  d: 9\n"
    document = load(text)
    assert document.data["m"] == {"a": 1, "c": 1, "d": 9}  # the merge wins over the 'a' written before it
    assert document.position("m.c") == Position(1, 17)
    assert document.position("m.d") == Position(6, 3)


def test_byte_order_marks_encodings_and_line_ends_are_kept() -> None:
    for mark, encoding in (
        (b"\xef\xbb\xbf", "utf-8"),
        (b"\xff\xfe", "utf-16-le"),
        (b"\xfe\xff", "utf-16-be"),
    ):
        before = mark + "a: é\r\nb: 1\r\n".encode(encoding)
        assert load(before).data == {"a": "é", "b": 1}
        after = edit(before, [SetKey("b", 2), SetKey("c.d", "ü")])
        assert after == mark + "a: é\r\nb: 2\r\nc:\r\n  d: 'ü'\r\n".encode(encoding)
    assert edit("\ufeffa: 1", [SetKey("a", 2)]) == b"\xef\xbb\xbfa: 2"


def test_reading_a_file_of_edgecore_size_takes_milliseconds() -> None:
    text = EDGECORE + b"".join(b"k%d: value-%d\n" % (i, i) for i in range(150))
    load(text)
    best = min(_timed(text) for _ in range(5))
    assert best < 0.1  # about 10 ms on an idle host


def _timed(text: bytes) -> float:
    started = time.perf_counter()
    load(text)
    return time.perf_counter() - started


@pytest.mark.parametrize(
    ("operation", "old", "new"),
    [
        (
            SetKey("modules.edgeStream.enable", True),
            b"enable: false   # default",
            b"enable: true   # default",
        ),
        (SetKey("modules.edgeHub.token", "abc.d"), b"token: ''", b"token: 'abc.d'"),
        (SetKey("modules.edgeStream.server", "10.99.0.1:10004"), b"127.0.0.1:10004", b"10.99.0.1:10004"),
        (SetKey("modules.edgeStream.server", "10:20"), b"127.0.0.1:10004", b"'10:20'"),
        (
            SetKey("modules.edged.tailoredKubeletConfig.memorySwap.x", 1),
            b"memorySwap: {}",
            b"memorySwap: {x: 1}",
        ),
        (
            SetKey("modules.edged.tailoredKubeletConfig.clusterDNS", ["10.43.0.10"]),
            b"memorySwap: {}\n",
            b"memorySwap: {}\n      clusterDNS:\n      - 10.43.0.10\n",
        ),
        (
            SetKey("modules.edgeStream.handshakeTimeout", 30),
            b"127.0.0.1:10004\n",
            b"127.0.0.1:10004\n    handshakeTimeout: 30\n",
        ),
        (
            SetKey("modules.edged.clusterDNS", None),
            b"clusterDNS:   # EdgeMesh\n    - 169.254.96.16\n",
            b"clusterDNS: null   # EdgeMesh\n",
        ),
        (RemoveKey("modules.edgeStream.enable"), b"    enable: false   # default\n", b""),
        (
            RemoveKey("modules.edgeHub.websocket"),
            b"    websocket:\n      enable: true # keep\n      server: 10.99.0.1:10000\n",
            b"",
        ),
        (
            MoveKey("modules.edged.clusterDNS", "modules.edged.tailoredKubeletConfig.clusterDNS"),
            (
                b"    clusterDNS:   # EdgeMesh\n    - 169.254.96.16\n    tailoredKubeletConfig:\n      evictionHard:\n"
                b"        memory.available: 100Mi\n      memorySwap: {}\n"
            ),
            (
                b"    tailoredKubeletConfig:\n      evictionHard:\n        memory.available: 100Mi\n      memorySwap: {}\n"
                b"      clusterDNS:   # EdgeMesh\n      - 169.254.96.16\n"
            ),
        ),
        (
            MoveKey("modules.edgeStream.server", "modules.edgeStream.tunnel"),
            b"    server: 127",
            b"    tunnel: 127",
        ),
    ],
)
def test_an_edit_changes_its_key_and_not_one_byte_more(operation: SetKey, old: bytes, new: bytes) -> None:
    assert EDGECORE.count(old) == 1
    assert edit(EDGECORE, [operation]) == EDGECORE.replace(old, new)


@pytest.mark.parametrize(
    ("before", "operation", "after"),
    [
        ("edgeStream:\nb: 1\n", SetKey("edgeStream.enable", True), "edgeStream:\n  enable: true\nb: 1\n"),
        ("edgeStream:  # c\n", SetKey("edgeStream.enable", True), "edgeStream:  # c\n  enable: true\n"),
        ("a: {b: 1, c: 2}\n", RemoveKey("a.b"), "a: {c: 2}\n"),
        ("a: {b: 1, c: 2}\n", RemoveKey("a.c"), "a: {b: 1}\n"),
        ("a:\n  b: 1 # c\nd: 2\n", RemoveKey("a.b"), "a: {}\nd: 2\n"),
        ("a: 1", RemoveKey("a"), "{}"),
        ("a: 1\nb: 2\na: 3\n", RemoveKey("a"), "b: 2\n"),
        ("a:\n    b:\n      - 1\n", SetKey("a.c", [2]), "a:\n    b:\n      - 1\n    c:\n      - 2\n"),
        ("l:\n- a: 1\n  b: 2\n", RemoveKey(["l", 0, "a"]), "l:\n- b: 2\n"),
        ("l:\n- a: 1\n", SetKey(["l", 0, "b"], 2), "l:\n- a: 1\n  b: 2\n"),
        ("l: [1, 2]\n", SetKey(["l", 1], "x"), "l: [1, x]\n"),
        ("a: 1 # x\n", SetKey("a", {"b": [True, {"c": {}}]}), "a: # x\n  b:\n  - true\n  - c: {}\n"),
        ("a: |\n  x\n  y\n\nb: 1\n", SetKey("a", "z"), "a: z\n\nb: 1\n"),
        ("# c", SetKey("a.b", "n"), "# c\na:\n  b: 'n'\n"),
        ("a: x\nb: 1\n...\n", SetKey("c", 1.5), "a: x\nb: 1\nc: 1.5\n...\n"),
        ("a:\t'x'\t# c\n", SetKey("a", "y's"), "a:\t'y''s'\t# c\n"),
        ("yes: 1\nb: 1\n", SetKey("true", 2), "yes: 2\nb: 1\n"),
        ("a: {}\n", SetKey("a.b.c", "x: y"), "a: {b: {c: 'x: y'}}\n"),
        ("a: 1\n", SetKey("b", 'q"\n\x85'), 'a: 1\nb: "q\\"\\n\\u0085"\n'),
        ("z: &A\n  p: 1\nm:\n  <<: *A\n", SetKey("m.p", 2), "z: &A\n  p: 1\nm:\n  <<: *A\n  p: 2\n"),
        ("a: {x: 1}\nb:\n  c: 1\n", MoveKey("a.x", "b.z"), "a: {}\nb:\n  c: 1\n  z: 1\n"),
        ("a:\n  x: 1\nb:\n  c: 1\n", MoveKey("a.x", "b.c", overwrite=True), "a: {}\nb:\n  c: 1\n"),
    ],
)
def test_edits_by_example(before: str, operation: SetKey, after: str) -> None:
    assert edit(before, [operation]).decode() == after


@pytest.mark.parametrize(
    ("text", "operation"),
    [
        ("a: 1\n", SetKey("a.b", 1)),
        ("a: [1]\n", SetKey(["a", 3], 1)),
        ("a: 1\n", RemoveKey("b")),
        ("a: [1]\n", RemoveKey(["a", 0])),
        ("a: {b: 1}\n", MoveKey("a", "a.b.c")),
        ("a: 1\nb: 2\n", MoveKey("a", "b")),
        ("z: &A\n  p: 1\nm: *A\n", SetKey("m.p", 2)),
        ("z: &A\n  p: 1\nm: *A\n", SetKey("z.p", 2)),
        ("? a\n: b\n", SetKey("a", {"x": 1})),
        ("l:\n- a: 1\n  # c\n  b: 2\n", RemoveKey(["l", 0, "a"])),
        ("a: |+\n  x\n\n\n", SetKey("b", 1)),
        ("a: 1\n", SetKey("b", object())),
        ("a: 1\n", SetKey("b", float("nan"))),
    ],
)
def test_what_cannot_be_done_safely_is_refused(text: str, operation: SetKey) -> None:
    with pytest.raises(YamlEditError):
        edit(text, [operation])


def test_setting_what_is_already_there_changes_nothing() -> None:
    text = b"a:   yes # odd but right\n"
    assert edit(text, [SetKey("a", True)]) == text


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda t: t.encode("utf-8", "surrogatepass")))
def test_any_bytes_give_a_document_or_a_yaml_error(text: bytes) -> None:
    assert isinstance(_data_or_error(text), dict | YamlError)


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="ab:-?#&*!|>%@`'\"{}[],\t\n \\<~0x\u0085", max_size=60))
def test_any_yaml_like_text_gives_a_document_or_a_yaml_error(text: str) -> None:
    assert isinstance(_data_or_error(text), dict | YamlError)


def _data_or_error(text: bytes | str) -> object:
    try:
        return load(text).data
    except YamlError as error:
        return error


NAMES = st.text(alphabet="abcdXYZ", min_size=1, max_size=4).map("k".__add__)
SCALARS = (
    st.booleans()
    | st.integers(-(2**40), 2**40)
    | st.text(max_size=12)
    | st.none()
    | st.sampled_from(["yes", "1e3", "a: b", "- x", "#"])
)
TREES = st.recursive(
    SCALARS | st.lists(SCALARS, max_size=3),
    lambda children: st.dictionaries(NAMES, children, min_size=1, max_size=4),
    max_leaves=12,
)


@st.composite
def documents(draw: st.DrawFn) -> tuple[str, dict[str, object]]:
    """A block-style document with comments and odd layouts, and the tree it stands for."""
    tree = draw(st.dictionaries(NAMES, TREES, min_size=1, max_size=4))
    unit, eol = draw(st.sampled_from([2, 4])), draw(st.sampled_from(["\n", "\r\n"]))
    lines: list[str] = []

    def write(node: dict[str, object], depth: int) -> None:
        for key, value in node.items():
            if draw(st.booleans()):
                lines.append(" " * (unit * depth) + f"# above {len(lines)}")
            tail = draw(st.sampled_from(["", "  # beside", " #"]))
            head = " " * (unit * depth) + key + ":"
            if isinstance(value, dict):
                lines.append(head + tail)
                write(value, depth + 1)
            else:
                lines.append(f"{head} {json.dumps(value)}{tail}")

    write(tree, 0)
    return eol.join(lines) + draw(st.sampled_from([eol, ""])), tree


def paths(tree: dict[str, object], *, leaves: bool) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    for key, value in tree.items():
        inner = paths(value, leaves=leaves) if isinstance(value, dict) else []
        found += [(key, *path) for path in inner]
        if not (leaves and isinstance(value, dict)):
            found.append((key,))
    return found


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(documents(), st.data())
def test_setting_a_value_changes_one_line_only(
    document: tuple[str, dict[str, object]], data: st.DataObject
) -> None:
    text, tree = document
    path = data.draw(st.sampled_from(paths(tree, leaves=True)))
    value = data.draw(SCALARS)
    before = text.splitlines(keepends=True)
    after = edit(text, [SetKey(path, value)]).decode().splitlines(keepends=True)
    assert load("".join(after)).value(path, "missing") == value
    assert len(after) == len(before)
    assert sum(old != new for old, new in zip(before, after, strict=True)) <= 1
    assert [line.partition("  # beside")[1] for line in after] == [
        line.partition("  # beside")[1] for line in before
    ]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(documents(), st.data())
def test_new_keys_leave_every_line_and_removals_leave_all_others(
    document: tuple[str, dict[str, object]], data: st.DataObject
) -> None:
    text, tree = document
    path = data.draw(st.sampled_from(paths(tree, leaves=False)))
    fresh = (*path[:-1], "fresh", "key")
    grown = edit(text, [SetKey(fresh, data.draw(TREES))]).decode()
    assert [line for line in grown.splitlines() if line in text.splitlines()] >= text.splitlines()
    shrunk = edit(text, [RemoveKey(path)]).decode()
    assert load(shrunk).position(path) is None
    comments = [line.strip() for line in text.splitlines() if "# above" in line]
    inside = text.splitlines()[_lines_of(text, path)]
    left = [line.strip() for line in shrunk.splitlines()]
    assert [c for c in comments if c in left] == [c for c in comments if c not in [i.strip() for i in inside]]


def _lines_of(text: str, path: tuple[str, ...]) -> slice:
    first = load(text).position(path)
    assert first
    lines = text.splitlines()
    last = first.line
    while last < len(lines) and (
        lines[last].startswith(" " * first.column) or lines[last].lstrip().startswith("#")
    ):
        last += 1
    while last > first.line and lines[last - 1].lstrip().startswith("#"):
        last -= 1
    return slice(first.line, last)


def test_a_moved_key_keeps_its_comments(tmp_path: Path) -> None:
    text = b"a:\n  # inside a\n  x:  # beside\n    # inside x\n    y: 1\n  z: 1\nb:\n    c: 1\n"
    moved = edit(text, [MoveKey("a.x", "b.x")])
    assert (
        moved == b"a:\n  # inside a\n  z: 1\nb:\n    c: 1\n    x:  # beside\n      # inside x\n      y: 1\n"
    )
