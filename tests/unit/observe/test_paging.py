"""What a list keeps: equal values once, and never less than was read."""

from __future__ import annotations

from kedoctor.api import Fields, Object
from kedoctor.base.records import decode
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
