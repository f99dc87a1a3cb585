"""Tokens of services, by the beginnings that the services publish so that they can be found."""

from __future__ import annotations

from kedoctor import patterns
from kedoctor.redaction.placeholders import PLACEHOLDER, Placeholders

__all__ = ["has_service_token", "redact_service_tokens"]

_LONG = r"[A-Za-z0-9_=-]"
_SHAPES = (
    # Code and packages.
    rf"gh[opsur]_{_LONG}{{30,255}}",
    rf"github_pat_{_LONG}{{22,255}}",
    rf"gl[a-z]{{2,8}}-{_LONG}{{20,255}}",
    rf"npm_{_LONG}{{30,255}}",
    rf"pypi-{_LONG}{{50,1000}}",
    rf"dckr_[a-z]{{3,5}}_{_LONG}{{20,255}}",
    r"AKCp[A-Za-z0-9]{60,100}",
    r"cmVmd[A-Za-z0-9]{50,80}",
    r"sha256~[\w-]{40,60}",
    # Clouds.
    r"(?:A3T[A-Z0-9]|AKIA|ASIA|ABIA|ACCA|AGPA|AIDA|AROA)[A-Z0-9]{16}(?![A-Za-z0-9])",
    r"LTAI[A-Za-z0-9]{12,30}",
    r"AKID[A-Za-z0-9]{13,40}",
    rf"AIza{_LONG}{{30,50}}",
    r"ya29\.[\w-]{20,1000}",
    r"do[opr]_v1_[a-f0-9]{40,80}",
    rf"tskey-[a-z]{{2,10}}-{_LONG}{{10,100}}",
    r"v1\.0-[a-f0-9]{24}-[a-f0-9]{100,200}",
    r"[\w~.]{3}\dQ~[\w~.-]{31,34}",
    r"dapi[a-f0-9]{32}",
    r"hv[sbr]\.[\w-]{20,1000}",
    r"pul-[a-f0-9]{40}",
    r"pscale_[a-z]{2,6}_[\w=.-]{30,64}",
    # Messages, payment, monitoring.
    r"xox[a-z]-[\w-]{10,255}",
    r"xapp-[\w-]{10,255}",
    r"\d{5,16}:A[\w-]{33,40}",
    r"SG\.[\w.-]{40,100}",
    r"(?:sk|rk|pk|whsec)_(?:live|test|prod)?_?[A-Za-z0-9]{16,255}",
    r"sq0[a-z]{3}-[\w-]{20,60}",
    r"gls?[ac]_[\w=]{30,255}",
    r"NR(?:AK|II|JS)-[\w-]{19,40}",
    r"PMAK-[a-f0-9-]{50,70}",
    # Models, passwords of people.
    r"sk-[A-Za-z0-9_-]{20,255}",
    r"hf_[A-Za-z]{20,60}",
    r"hf_[A-Za-z0-9]{30,60}",
    r"(?:nvapi|pplx)-[\w-]{30,100}",
    r"AGE-SECRET-KEY-1[A-Z0-9]{30,80}",
    r"A3-[A-Z0-9]{6}-[A-Z0-9-]{20,40}",
    r"ops_eyJ[A-Za-z0-9+/]{100,2000}",
    r"AT[A-Z]{3}3[\w=-]{100,255}",
    # Hashes of passwords.
    r"\$(?:1|2[abxy]|5|6|7|y|apr1|argon2[a-z]{1,2}|scrypt)\$[\w./$=,+-]{20,255}",
)
_TOKEN = patterns.compiled(
    rf"(?P<placeholder>{PLACEHOLDER})|(?<![A-Za-z0-9_/+-])(?P<token>{'|'.join(_SHAPES)})"
)
# What each of them has, so that most text is done with at once.
_SIGNS = patterns.compiled(
    r"gh[opsur]_|_pat_|\bgl[a-z]{2,8}-|npm_|pypi-|dckr_|AKCp|cmVmd|sha256~|A3T|AKIA|ASIA|ABIA|ACCA|AGPA|AIDA|AROA|LTAI|AKID|AIza|ya29|"
    r"_v1_|tskey-|v1\.0-|Q~|dapi|hv[sbr]\.|pul-|pscale_|xox|xapp-|:A|SG\.|[srp]k_|whsec_|sq0|gl(?:sa|c)_|NR[AIJ]|PMAK|sk-|hf_|nvapi|pplx|"
    r"AGE-|A3-|ops_|AT[A-Z]{3}3|\$[1-9aysp]"
)


def has_service_token(text: str) -> bool:
    """Whether there may be one."""
    return _SIGNS.search(text) is not None


def redact_service_tokens(text: str, marks: Placeholders) -> str:
    """``text`` without tokens that say by their beginning what they are."""
    return _TOKEN.sub(
        lambda match: match[0] if match["placeholder"] else marks.of("token", match["token"]), text
    )
