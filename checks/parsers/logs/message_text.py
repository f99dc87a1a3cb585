"""The sentences of the table of logs, with what a line names put in place of their ``{placeholders}``."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from kedoctor.api import Text

__all__ = ["filled", "named"]

_UNNAMED = {
    "host": Text("that address", zh="该地址"),
    "port": Text("its port", zh="相应端口"),
    "node": Text("the edge", zh="该边缘节点"),
    "wanted": Text("the address dialled", zh="所访问的地址"),
    "valid": Text("other names", zh="其他名称"),
    "end": Text("earlier", zh="此前"),
    "now": Text("later", zh="更晚的时间"),
    "user": Text("this user", zh="该用户"),
    "verb": Text("do", zh="操作"),
    "resource": Text("this", zh="该资源"),
    "address": Text("asked for", zh="所请求的地址"),
}


def filled(text: Text, values: Mapping[str, Text]) -> Text:
    """``text`` with ``values`` in place; what no line named is called by a general word."""
    known = {**_UNNAMED, **values}
    en = text.en.format_map(defaultdict(str, {name: one.en for name, one in known.items()}))
    zh = text.zh.format_map(defaultdict(str, {name: one.zh for name, one in known.items()}))
    return Text(en, zh=zh)


def named(groups: Mapping[str, str | None]) -> dict[str, Text]:
    """What the groups of a pattern found, as values of :func:`filled`."""
    return {name: Text(value, zh=value) for name, value in groups.items() if value}
