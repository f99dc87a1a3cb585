"""What a list keeps: equal values once, and never less than was read."""

from __future__ import annotations

from kedoctor.api import Fields, Object
from kedoctor.base.records import decode, field
from kedoctor.observe.live.sharing import share_equal_values


class PagedCondition(Fields, frozen=True):
    reason: str
    since: str | None = None


class PagedThing(Object, frozen=True):
    plural = "pagedthings"
    name: str
    conditions: tuple[PagedCondition, ...] = ()


def thing(name: str) -> PagedThing:
    return decode(
        f'{{"name": "{name}", "conditions": [{{"reason": "EdgeReady"}}, {{"reason": "Edge{name}"}}]}}',
        PagedThing,
    )


def test_equal_strings_become_one_and_nothing_else_changes() -> None:
    one, other = thing("one"), thing("other")
    assert one.conditions[0].reason is not other.conditions[0].reason
    share_equal_values([one, other])
    assert one.conditions[0].reason is other.conditions[0].reason
    assert (one, other) == (thing("one"), thing("other"))


class PagedPart(Fields, frozen=True):
    values: dict[str, str] = field(default_factory=dict)
    name: str = ""


class PagedWhole(Object, frozen=True):
    plural = "pagedwholes"
    part: PagedPart = PagedPart()
    condition: PagedCondition = PagedCondition("")


def test_equal_parts_become_one_and_parts_with_mappings_stay() -> None:
    text = (
        b'{"part": {"values": {"a": "b"}, "name": "x-y"}, "condition": {"reason": "Fine", "since": "noon"}}'
    )
    one, other = decode(text, PagedWhole), decode(text, PagedWhole)
    share_equal_values([one, other])
    assert one.condition is other.condition
    assert one.part is not other.part
    assert one.part.name is other.part.name
    assert one == other == decode(text, PagedWhole)
