"""The data path as people read it."""

from __future__ import annotations

import re

from kedoctor.checks.data_path import HOPS, PATH


def test_every_hop_has_a_short_name_in_both_languages_or_one_that_is_the_same_in_both() -> None:
    assert set(PATH.names) <= set(HOPS)
    for hop in HOPS:
        if hop in PATH.names:
            assert re.search(r"[\u4e00-\u9fff]|^[A-Z]", PATH.names[hop].zh)
            assert len(PATH.names[hop].zh) <= 8
        else:
            assert HOPS[hop].zh.startswith(hop)  # the name of a program
