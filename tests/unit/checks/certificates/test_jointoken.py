"""Join tokens: what they tell without a key, and what is left of them in evidence."""

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kedoctor.checks.parsers.join_token import JoinToken, TokenError, read_token

CA = "caf3896351aaebc41ad74776820c6a2b29e3187eb6cee57c34a505d2213004f0"
EXPIRES = datetime(2026, 11, 24, 3, 13, 24, tzinfo=UTC)


def segment(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def token(claims: object, signature: str = "c2ln-_0", header: object = None) -> str:
    return f"{CA}.{segment(header or {'alg': 'HS256', 'typ': 'JWT'})}.{segment(claims)}.{signature}"


GOOD = token({"exp": int(EXPIRES.timestamp())})


def test_a_token_as_cloudcore_makes_it() -> None:
    found = read_token(GOOD + "\n")
    assert found == JoinToken(CA, None, EXPIRES, signed=True)
    assert not found.expired_at(EXPIRES - timedelta(seconds=1))
    assert found.expired_at(EXPIRES)


def test_dates_and_signature_may_be_missing() -> None:
    assert read_token(token({})) == JoinToken(CA, None, None, signed=True)
    assert not read_token(token({})).expired_at(EXPIRES)
    assert read_token(token({"exp": 1.5, "iat": 1}, "")).signed is False
    assert read_token(token({"iat": 1})).issued == datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)
    for odd in (True, "x", [], 1e300, float("nan"), None):
        assert read_token(token({"exp": odd})).expires is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        (" \n", "empty"),
        ("abc", "wrong format"),
        (GOOD + ".x", "wrong format"),
        (GOOD.partition(".")[2], "wrong format"),
        (GOOD.upper(), "SHA-256"),
        ("ab." + GOOD.partition(".")[2], "SHA-256"),
        (f"{CA}.*.e30.x", "base64url"),
        (f"{CA}.e30.e.x", "JSON"),
        (f"{CA}.e30.W10.x", "not a JSON object"),
        (f"{CA}.e30.{base64.urlsafe_b64encode(b'[' * 9000).decode().rstrip('=')}.x", "JSON"),
        ("[redacted token=t1]", "redacted"),
    ],
)
def test_what_is_no_token_is_told_apart_without_repeating_it(text: str, reason: str) -> None:
    with pytest.raises(TokenError, match=reason) as caught:
        read_token(text)
    assert text.strip() == "" or text.strip()[:20] not in str(caught.value)


def test_a_redacted_token_says_its_hash_and_its_expiry() -> None:
    redacted = (
        f"{CA}.[redacted jwt exp={int(EXPIRES.timestamp())} token=t3]"  # as kedoctor.redaction writes it
    )
    assert read_token(redacted) == read_token(GOOD)
    assert read_token(f"{CA}.[redacted jwt unsigned token=t3]") == read_token(token({}, ""))


@settings(max_examples=300, deadline=None)
@given(
    st.text(max_size=120) | st.lists(st.text(alphabet="ab0=.-_[]e30W", max_size=70), max_size=5).map(".".join)
)
def test_any_text_gives_a_token_or_a_token_error(text: str) -> None:
    try:
        found: object = read_token(text)
    except TokenError as error:
        found = error
    assert isinstance(found, JoinToken | TokenError)
