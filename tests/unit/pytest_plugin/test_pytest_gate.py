"""``pytest --kedoctor`` from outside, on the demo site: each verdict a test, and a team's own tests beside them."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pytest

pytest_plugins = ["pytester"]

ON_DEMO = ("--kedoctor", "--kedoctor-demo", "edgestream-off", "-p", "no:cacheprovider")


def _run(pytester: pytest.Pytester, *arguments: str) -> tuple[dict[str, int], str, int]:
    """The counts of the last line, all that was printed, and the exit code."""
    done = pytester.runpytest_subprocess(*arguments, timeout=100)
    text = done.stdout.str() + done.stderr.str()
    assert "INTERNALERROR" not in text, text
    assert "Traceback" not in text, text
    return done.parseoutcomes() if re.search(r"=+ .*\d.* in ", text) else {}, text, int(done.ret)


def test_every_verdict_is_a_test(pytester: pytest.Pytester) -> None:
    counts, text, code = _run(pytester, *ON_DEMO, "-rs")
    assert code == 1
    assert counts["failed"] == 5
    assert counts["passed"] == 92  # 88 that are right, 3 that warn, and that the run came to its end
    assert counts["warnings"] == 3
    assert counts["errors"] == 10
    assert counts["skipped"] == 21
    assert "kedoctor: edgestream-off" in text


def test_a_failure_is_the_sentence_and_what_to_do_and_no_traceback(pytester: pytest.Pytester) -> None:
    _, text, _ = _run(pytester, *ON_DEMO, "--kedoctor-only", "KE202")
    shown = text.partition("= FAILURES =")[2]
    for line in (
        "KE202: edgeStream of edge1 is switched off",
        "  expected: modules.edgeStream.enable: true",
        "  read: /etc/kubeedge/config/edgecore.yaml:39",
        "    $ sudo systemctl restart edgecore",
        "FAILED kedoctor::KE202[edge1] - ",
    ):
        assert line in shown
    assert ".py" not in shown


def test_what_could_not_be_found_out_is_an_error_without_a_traceback(pytester: pytest.Pytester) -> None:
    counts, text, code = _run(pytester, *ON_DEMO, "--kedoctor-only", "KE104")
    assert (counts["errors"], code) == (1, 1)
    shown = text.partition("= ERRORS =")[2]
    assert "KE104: Whether cloudcore runs with this configuration is unknown" in shown
    assert ".py" not in shown


def test_k_and_m_select_and_junitxml_tells(pytester: pytest.Pytester) -> None:
    counts, _, code = _run(pytester, *ON_DEMO, "-k", "edgestream-enabled or KE801", "--junitxml", "gate.xml")
    assert (counts["failed"], counts["deselected"], code) == (1, 126, 1)
    case = ET.parse(pytester.path / "gate.xml").find(".//testcase[@name='KE202[edge1]']")
    assert case is not None
    assert "edgeStream of edge1" in (case.find("failure").get("message") or "")  # type: ignore[union-attr]
    assert {one.get("name") for one in case.iter("property")} >= {"kedoctor.code", "kedoctor.node"}
    counts, _, _ = _run(pytester, *ON_DEMO, "-m", "kedoctor(side='edge', status='fail')")
    assert counts["failed"] == 2


def test_what_failed_last_time_can_be_asked_again(pytester: pytest.Pytester) -> None:
    cached = ON_DEMO[:3]
    _run(pytester, *cached)
    counts, text, _ = _run(pytester, *cached, "--last-failed")
    assert counts == {"failed": 5, "errors": 10, "deselected": 113}, text


def test_a_team_marks_ours_and_adds_its_own(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        """
        import pytest

        def pytest_collection_modifyitems(items):
            for item in items:
                mark = item.get_closest_marker("kedoctor")
                if mark and mark.kwargs["code"] in ("KE202", "KE104"):
                    item.add_marker(pytest.mark.xfail(reason="known since Tuesday"))
        """
    )
    pytester.makepyfile(
        test_ours="""
        import pytest
        from kedoctor.checks.facts.edge.edgecore import EdgecoreConfig
        from kedoctor.checks.facts.cluster.nodes import EdgeNodes

        def test_facts(kedoctor_site):
            assert kedoctor_site.fact(EdgeNodes).names == ("edge1",)
            assert kedoctor_site.fact(EdgecoreConfig, "edge1")
            assert set(kedoctor_site.facts(EdgecoreConfig)) == {"cloud", "edge1"}
            with pytest.raises(LookupError, match="cloud, edge1"):
                kedoctor_site.fact(EdgecoreConfig)
            with pytest.raises(LookupError, match="no fact provides"):
                kedoctor_site.fact(str)

        def test_report(kedoctor_site):
            (one,) = kedoctor_site.verdicts("KE202")
            assert one.status == "fail"
            assert kedoctor_site.verdicts("edgestream-enabled") == [one]
            assert [cause.code for cause in kedoctor_site.report.causes] == ["KE202"]
        """
    )
    counts, text, _ = _run(
        pytester, *ON_DEMO, "--strict-markers", "-W", "error", "-k", "KE202 or KE104 or KE804 or test_"
    )
    assert counts == {"passed": 2, "xfailed": 2, "failed": 1, "deselected": 125}, text
    assert "KE804: KubeEdge v1.22.0 has" in text  # with -W error a warning fails, told just the same


def test_what_a_baseline_accepts_is_skipped(pytester: pytest.Pytester) -> None:
    (pytester.path / "accepted.yaml").write_text(
        "accepted:\n- {code: KE202, subject: edge1, reason: moves in May, owner: Ann, until: 2099-01-31}\n"
    )
    counts, text, _ = _run(pytester, *ON_DEMO, "--kedoctor-baseline", "accepted.yaml", "-rs")
    assert "failed" not in counts
    assert "moves in May" in text


def test_without_the_option_it_does_nothing(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import sys

        def test_nothing_is_loaded():
            ours = {name for name in sys.modules if name.partition(".")[0] == "kedoctor"}
            assert ours <= {"kedoctor", "kedoctor.pytest_plugin"}

        def test_needs_a_site(kedoctor_site):
            assert False
        """
    )
    counts, text, code = _run(pytester, "-W", "error", "-rs", "-p", "no:cacheprovider")
    assert counts == {"passed": 1, "skipped": 1}, text
    assert code == 0
    assert "run pytest with --kedoctor" in text


def test_ctrl_c_while_the_site_is_looked_at_ends_everything(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        """
        import _thread, threading, time
        from kedoctor.evidence.replay import ReplaySource

        look = ReplaySource.observation

        def slow(self, request):
            if type(request).__name__ == "ListProcesses":
                threading.Timer(0.5, _thread.interrupt_main).start()
                time.sleep(5)
            return look(self, request)

        ReplaySource.observation = slow
        """
    )
    done = pytester.runpytest_subprocess(*ON_DEMO, timeout=60)
    assert done.ret == pytest.ExitCode.INTERRUPTED
    assert "KE202" not in done.stdout.str()


def test_texts_are_in_the_language(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    for arguments in (["--kedoctor-lang", "zh"], []):
        monkeypatch.setenv("LANG", "zh_CN.UTF-8")
        _, text, _ = _run(pytester, *ON_DEMO, *arguments, "--kedoctor-only", "KE202")
        assert "edge1 的 edgeStream 未启用" in text
        assert "应为" in text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--kedoctor-demo", "edgestream-off"], "--kedoctor-demo belongs to --kedoctor"),
        (["--kedoctor", "--kedoctor-demo", "nowhere"], "there is no recorded site 'nowhere'"),
        (["--kedoctor", "--kedoctor-only", "KE2022"], "there is no check 'KE2022'"),
        (["--kedoctor", "--kedoctor-bundle", "test_x.py"], "is not evidence"),
        (["--kedoctor", "--kedoctor-bundle", "nowhere.tgz"], "nowhere.tgz"),
    ],
)
def test_what_cannot_be_looked_at_is_one_clear_sentence(
    pytester: pytest.Pytester, arguments: list[str], words: str
) -> None:
    pytester.makepyfile(test_x="def test_x(): pass")
    _, text, code = _run(pytester, *arguments)
    assert words in text
    assert code == pytest.ExitCode.USAGE_ERROR
