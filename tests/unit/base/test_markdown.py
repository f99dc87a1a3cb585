"""Pages as blocks: nothing of them is markup any more, HTML least of all."""

from __future__ import annotations

from kedoctor.base.markdown import Code, Heading, Items, Paragraph, Span, Table, blocks


def test_each_kind_of_block() -> None:
    page = "# A `b`\n\none\ntwo **three** [four](http://x)\n\n    code <b>\n\n* x\n* y\n\n1. z\n\n| h | i |\n|---|---|\n| j | `k` |\n"
    assert blocks(page) == (
        Heading(1, (Span("A "), Span("b", "code"))),
        Paragraph(
            (
                Span("one"),
                Span(" "),
                Span("two "),
                Span("three", "strong"),
                Span(" "),
                Span("four", "", "http://x"),
            )
        ),
        Code("code <b>"),
        Items(ordered=False, items=((Paragraph((Span("x"),)),), (Paragraph((Span("y"),)),))),
        Items(ordered=True, items=((Paragraph((Span("z"),)),),)),
        Table(((Span("h"),), (Span("i"),)), (((Span("j"),), (Span("k", "code"),)),)),
    )


def test_html_is_text() -> None:
    assert blocks("<script>x</script>\n") == (Paragraph((Span("<script>x</script>"),)),)


def test_fences_quotes_and_nothing() -> None:
    assert blocks("> ```\n> a\n> ```\n") == (Code("a"),)
    assert blocks("") == ()
