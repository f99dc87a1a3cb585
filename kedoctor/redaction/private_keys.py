"""Private keys in text: PEM, PuTTY, PGP, JWK, hexadecimal and what openssl prints."""

from __future__ import annotations

import binascii
from collections.abc import Callable

from kedoctor import patterns
from kedoctor.redaction.placeholders import PLACEHOLDER, Placeholders, private_key_kind

__all__ = ["LINE_END", "redact_private_keys"]

_BEGIN = patterns.compiled(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_END = patterns.compiled(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
LINE_END = patterns.compiled(r"(\r?\n|(?:\\{1,8}r)?\\{1,8}n)")
"""Where a line ends, also where a program has escaped it."""
_BASE64_WORD = patterns.compiled(r"[A-Za-z0-9+/]+={0,2}")
_PEM_HEADERS = ("Proc-Type:", "DEK-Info:")
_KEY_LINE = 16
# The last line of a key in front of what a program goes on with.
_REST_OF_KEY = patterns.compiled(
    r"[ \t]{0,80}(?:[A-Za-z0-9+/]{24,}={0,2}|[A-Za-z0-9+/]{2,}={1,2})(?![A-Za-z0-9+/=])"
)
_FULL_LINE = 32
_STRAY_LINES = 200
_LAST_LINE = 4  # where the text was cut, so may be the line


def redact_private_keys(text: str, marks: Placeholders) -> str:
    """Replaces private keys: PEM blocks whole, split over log lines with a prefix each, escaped or cut off; JWK and others."""
    for words, redact in _OTHER_FORMS:
        if any(word in text for word in words):
            text = redact(text, marks)
    return _redact_pem(text, marks) if "PRIVATE KEY" in text else text


def _redact_pem(text: str, marks: Placeholders) -> str:
    begins = list(_BEGIN.finditer(text))
    ends = list(_END.finditer(text))
    out: list[str] = []
    position = 0
    cut = False
    for number, begin in enumerate(begins, start=1):
        limit = begins[number].start() if number < len(begins) else len(text)
        while ends and ends[0].start() < begin.end():
            ends.pop(0)
        out.append(_between(text[position : begin.start()], marks, cut=cut))
        cut = not (ends and ends[0].end() <= limit)
        if ends and ends[0].end() <= limit:
            position = ends[0].end()
        else:
            position = min(limit, _end_of_cut_block(text, begin.end(), limit))
        out.append(marks.of_private_key(_as_pem(text[begin.start() : position])))
    out.append(_between(text[position:], marks, cut=cut))
    return "".join(out)


def _between(text: str, marks: Placeholders, *, cut: bool) -> str:
    """What stands behind a key; of one whose end is missing, more may stand among other lines."""
    if cut:
        text = _without_stray_lines(text, marks)
    return _without_tails(text, marks)


def _without_stray_lines(text: str, marks: Placeholders) -> str:
    pieces = LINE_END.split(text)
    for at in range(0, min(len(pieces), 2 * _STRAY_LINES), 2):
        if "-----" in pieces[at]:
            break
        word = _last_word(pieces[at])
        if _is_long_enough(word) and _BASE64_WORD.fullmatch(word):
            pieces[at] = pieces[at].replace(word, marks.of("private key", word))
        elif (rest := _REST_OF_KEY.match(pieces[at])) and _is_long_enough(rest[0].strip()):
            pieces[at] = marks.of("private key", rest[0].strip()) + pieces[at][rest.end() :]
    return "".join(pieces)


def _is_long_enough(word: str) -> bool:
    """As a line of a key that nothing else marks as one; the last may be short, and is filled up."""
    return len(word) >= (_KEY_LINE if word.endswith("=") else _FULL_LINE)


def _as_pem(block: str) -> bytes:
    """The block with one newline a line and without what a log put in front of each."""
    lines = [line.strip() for line in LINE_END.split(block)[::2]]
    body = [line if line.startswith(_PEM_HEADERS) else _last_word(line) for line in lines[1:-1]]
    last = lines[-1][lines[-1].find("-----END") :] if "-----END" in lines[-1] else _last_word(lines[-1])
    return "\n".join([lines[0], *body, last, ""]).encode("utf-8", "surrogateescape")


def _last_word(line: str) -> str:
    words = line.rsplit(None, 1)
    return words[-1].strip("\"',.;:)}]>") if words else ""


def _end_of_cut_block(text: str, start: int, limit: int) -> int:
    """Where a block without its last line ends: at the first line that is no base64, or where the next one begins."""
    first = LINE_END.search(text, start, limit)
    position = first.end() if first else limit
    while position < limit:
        line_end = LINE_END.search(text, position, limit)
        line = text[position : line_end.start() if line_end else limit].strip()
        shortest = _KEY_LINE if line_end else _LAST_LINE
        if line and not line.startswith(_PEM_HEADERS) and not _is_key_line(line, shortest):
            rest = _REST_OF_KEY.match(text, position, limit)
            return rest.end() if rest else position - len(first[0]) if first else position
        first = line_end
        position = line_end.end() if line_end else limit
    return position


def _is_key_line(line: str, shortest: int) -> bool:
    word = _last_word(line)
    return len(word) >= shortest and _BASE64_WORD.fullmatch(word) is not None


def _without_tails(text: str, marks: Placeholders) -> str:
    """``text`` without the ends of keys whose beginnings were cut off."""
    out: list[str] = []
    position = 0
    for end in _END.finditer(text):
        # Lines and what ends them take turns; the last piece is what stands before the mark on its own line.
        pieces = LINE_END.split(text[position : end.start()])
        taken = [pieces.pop()]
        shortest = 1
        while len(pieces) >= 2 and _is_key_line(pieces[-2].strip(), shortest):
            taken.extend((pieces.pop(), pieces.pop()))
            shortest = _KEY_LINE
        out.extend((*pieces, marks.of("private key", "".join(reversed(taken)))))
        position = end.end()
    return "".join((*out, text[position:]))


# ------------------------------------------------------------------------------------------ other forms

_PUTTY = patterns.compiled(r"Private-Lines: \d{1,4}")
_JWK = patterns.compiled(
    rf"(?P<before>(?P<quote>\\{{0,8}}\")(?:d|p|q|dp|dq|qi|k)(?P=quote)\s{{0,4}}:\s{{0,4}}(?P=quote))(?P<key>{PLACEHOLDER}|[\w+/=-]{{1,2000}})"
)
_HEX = patterns.compiled(r"(?<![0-9a-fA-F])30[0-9a-fA-F]{80,20000}")
_PRINTED = patterns.compiled(r"(?:\b|(?<=\\n))(?:priv|privateExponent|prime\d|exponent\d|coefficient):")
_OCTETS = patterns.compiled(r"(?:[0-9a-f]{2}:){4,}+(?:[0-9a-f]{2})?")
_PRINTED_MOST = 6000
_PUTTY_MOST = 20_000


def _putty(text: str, marks: Placeholders) -> str:
    out: list[str] = []
    position = 0
    while (begin := _PUTTY.search(text, position)) is not None:
        out.append(text[position : begin.end()])
        position = text.find("Private-MAC", begin.end(), begin.end() + _PUTTY_MOST)
        position = min(begin.end() + _PUTTY_MOST, len(text)) if position < 0 else position
        pieces = LINE_END.split(text[begin.end() : position])
        for at in range(2, len(pieces), 2):
            word = _last_word(pieces[at])
            if len(word) >= _KEY_LINE and _BASE64_WORD.fullmatch(word):
                pieces[at] = pieces[at].replace(word, marks.of("private key", word))
        out.extend(pieces)
    return "".join((*out, text[position:]))


def _jwk(text: str, marks: Placeholders) -> str:
    return _JWK.sub(
        lambda match: (
            match[0]
            if match["key"].startswith("[")
            else match["before"] + marks.of("private key", match["key"])
        ),
        text,
    )


def _hexadecimal(text: str, marks: Placeholders) -> str:
    def replaced(match: patterns.Match[str]) -> str:
        digits = match[0][: len(match[0]) // 2 * 2]
        data = binascii.unhexlify(digits)
        return marks.of_private_key(data) if private_key_kind(data) else match[0]

    return _HEX.sub(replaced, text)


def _printed(text: str, marks: Placeholders) -> str:
    out: list[str] = []
    position = 0
    while (begin := _PRINTED.search(text, position)) is not None:
        out.append(text[position : begin.end()])
        end = min(begin.end() + _PRINTED_MOST, len(text))
        following = text.find("pub", begin.end(), end)
        position = following if following >= 0 else end
        part = text[begin.end() : position]
        out.append(_OCTETS.sub(lambda octets: marks.of("private key", octets[0]), part))
    return "".join((*out, text[position:]))


_OTHER_FORMS: tuple[tuple[tuple[str, ...], Callable[[str, Placeholders], str]], ...] = (
    (("Private-Lines:",), _putty),
    (("kty",), _jwk),
    (("priv:", "privateExponent:"), _printed),
    (("3082", "3081", "3077", "302e", "302E", "3074"), _hexadecimal),
)
