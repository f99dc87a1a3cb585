"""The end of an install of the cloud side: a token that edges can join with, looked at from all sides."""

from __future__ import annotations

from kedoctor.api import Evidence, Finding, RunMode, Side, Text, check, failed, passed
from kedoctor.checks.install.cloud.facts_join_token import JoinOffer

__all__ = ["join_command"]


@check(
    code="KE984",
    slug="join-command",
    title=Text("An edge can join with the current token", zh="边缘节点可用当前令牌加入"),
    side=Side.CLOUD,
    occasions=(RunMode.INSTALL,),
    explained_by=("KE105", "KE408", "KE409", "KE501"),
    references=("facts.md §4.1", "facts.md §4.3", "kubeprepare.md B28", "kubeprepare.md B37"),
)
def join_command(offer: JoinOffer) -> Finding:
    """The token is of four parts, of this CA, in date, and cloudcore's certificate names the address to dial."""
    if offer.trouble is not None:
        return failed(
            Text(
                f"No edge could join with the current token: {offer.trouble.en}.",
                zh=f"边缘节点无法用当前令牌加入：{offer.trouble.zh}。",
            ),
            expected=Text("a token of this CA that is in date", zh="属于当前 CA 且在有效期内的令牌"),
            actual=offer.trouble.en,
            hint=Text(
                "Restart cloudcore: it makes a new token at once.",
                zh="请重启 cloudcore：它会立即生成新令牌。",
            ),
            subject="secret/kubeedge/tokensecret",
            commands=(
                "kubectl -n kubeedge delete pod -l kubeedge=cloudcore",
                f"curl -sk https://{offer.address}:10002/ca.crt | sha256sum",
            ),
        )
    until = f"{offer.expires:%Y-%m-%d %H:%M} UTC" if offer.expires else "?"
    return passed(
        Text(
            f"Edges can join {offer.address}:10000 with the current token, until {until}.",
            zh=f"边缘节点可用当前令牌加入 {offer.address}:10000，有效期至 {until}。",
        ),
        subject="secret/kubeedge/tokensecret",
        evidence=(Evidence("secret/kubeedge/tokensecret", f"CA {offer.ca_sha256[:16]}…, exp {until}"),),
    )
