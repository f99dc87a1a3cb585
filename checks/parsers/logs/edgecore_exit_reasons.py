"""Why edgecore ended, read off the line it ended with (facts.md §4.3, §5.5; testbed.md cases k, l)."""

from __future__ import annotations

from kedoctor.api import Record, Text, patterns

__all__ = ["ExitMeaning", "NotStarted", "exit_meaning", "not_started"]


class ExitMeaning(Record, frozen=True):
    """What a last line means, and the check that judges the matter (empty: none does)."""

    text: Text
    code: str


class NotStarted(Record, frozen=True):
    """Why a program was not run or died at once, by systemd's words or the loader's.

    With ``only_limit`` the line says no more than that systemd has given up starting it.
    """

    text: Text
    only_limit: bool = False


# systemd: src/core/execute.c, src/core/service.c (v239 to v256); glibc: elf/dl-version.c, elf/dl-load.c.
_NOT_STARTED = (
    (
        r"[Ee]xec format error|cannot execute binary file|可执行文件格式错误",
        Text(
            "it is no program for this machine: of another architecture, or not complete",
            zh="它不是本机可执行的程序：架构不符或文件不完整",
        ),
    ),
    (
        r"version `GLIBC_[\d.]+' not found|error while loading shared libraries",
        Text("the C library of this host is too old for it", zh="本机的 C 库版本过旧"),
    ),
    (
        r"(?:Failed (?:at step EXEC|to execute|to locate)|Unable to locate).{0,200}[Pp]ermission denied",
        Text(
            "the system refuses to execute it (permissions, noexec, SELinux)",
            zh="系统拒绝执行（权限、noexec 或 SELinux）",
        ),
    ),
    (
        r"(?:Failed (?:at step EXEC|to execute|to locate)|Unable to locate).{0,200}No such file or directory",
        Text("the file, or the loader that it names, is not there", zh="该文件或其加载器不存在"),
    ),
    (
        r"status=4/ILL|signal ILL|[Ii]llegal instruction|SIGILL|panicUnaligned|unaligned 64-bit atomic",
        Text("this processor does not know its instructions", zh="本机处理器不支持其指令"),
    ),
    (
        r"status=203/EXEC",
        Text("systemd could not execute it (203/EXEC)", zh="systemd 无法执行它（203/EXEC）"),
    ),
)
_LIMIT = r"Start request repeated too quickly|start-limit-hit|启动请求重复过快"
_GIVEN_UP = Text(
    "systemd has given up starting it after several failures (start limit)",
    zh="多次失败后 systemd 已不再启动它（启动次数限制）",
)


def not_started(line: str) -> NotStarted | None:
    """What a line says of a program that could not be run; ``None`` for any other line."""
    for pattern, text in _NOT_STARTED:
        if patterns.compiled(pattern).search(line):
            return NotStarted(text)
    return NotStarted(_GIVEN_UP, only_limit=True) if patterns.compiled(_LIMIT).search(line) else None


_EXITS = (
    (
        r"running with swap on is not supported",
        "KE718",
        Text(
            "swap is on, and edged is set to refuse that (failSwapOn)",
            zh="启用了 swap，而 edged 设置为拒绝（failSwapOn）",
        ),
    ),
    (
        r"invalid kernel flag",
        "KE718",
        Text(
            "edged refuses this kernel's parameters (protectKernelDefaults)",
            zh="edged 不接受本机的内核参数（protectKernelDefaults）",
        ),
    ),
    (
        r"configured to not run on a host using cgroup v1",
        "KE718",
        Text(
            "this host uses cgroup v1, and edged is set to refuse that (failCgroupV1)",
            zh="本机使用 cgroup v1，而 edged 设置为拒绝（failCgroupV1）",
        ),
    ),
    (
        r"too many open files|inotify_init|no space left on device.{0,40}inotify|inotify.{0,80}no space left on device",
        "KE717",
        Text(
            "a limit of the host is used up: open files or inotify",
            zh="主机上限已用尽：打开文件数或 inotify",
        ),
    ),
    (
        r"failed to unmarshal configfile|error converting YAML to JSON|error unmarshaling JSON",
        "KE201",
        Text("edgecore.yaml cannot be read", zh="edgecore.yaml 无法读取"),
    ),
    (
        r"config file \S+ not exist",
        "KE201",
        Text("edgecore.yaml is not there", zh="edgecore.yaml 不存在"),
    ),
    (
        r"nil pointer dereference",
        "KE201",
        Text(
            "edgecore ran into an empty section of edgecore.yaml (most often)",
            zh="edgecore 遇到了 edgecore.yaml 中的空段（最常见）",
        ),
    ),
    (
        r"failed to validate CA certificate",
        "KE409",
        Text(
            "the join token was made for another CA than the one cloudcore serves",
            zh="加入令牌对应的 CA 与 cloudcore 提供的 CA 不同",
        ),
    ),
    (
        r"credentials are in the wrong format",
        "KE409",
        Text(
            "edgecore has no certificate and the token to get one is empty or malformed",
            zh="edgecore 没有证书，且用于申请证书的令牌为空或格式错误",
        ),
    ),
    (
        r"[Tt]oken is expired",
        "KE409",
        Text(
            "edgecore has no certificate and the token to get one has expired",
            zh="edgecore 没有证书，且用于申请证书的令牌已过期",
        ),
    ),
    (
        r"token signature is invalid|signature is invalid",
        "KE409",
        Text(
            "edgecore has no certificate and cloudcore did not sign the token to get one",
            zh="edgecore 没有证书，且用于申请证书的令牌不是由该 cloudcore 签发",
        ),
    ),
    (
        r"token validation failure",
        "KE409",
        Text("cloudcore does not accept the join token", zh="cloudcore 不接受该加入令牌"),
    ),
    (
        r"certificate is valid for",
        "KE408",
        Text(
            "cloudcore's certificate does not name the address that this edge dials",
            zh="cloudcore 的证书中没有该边缘节点所连接的地址",
        ),
    ),
    (
        r"certificate CN \S+ does not match node name|does not match node name",
        "KE403",
        Text(
            "the certificate was issued for another node name",
            zh="证书是为另一个节点名签发的",
        ),
    ),
    (
        r"failed to apply the edge certs.*(connection refused|i/o timeout|no route to host|unreachable|no such host)",
        "KE505",
        Text(
            "edgecore has no certificate and cannot reach port 10002 of the cloud to get one",
            zh="edgecore 没有证书，且无法连接云端 10002 端口申请证书",
        ),
    ),
    (
        r"Failed to load x509 key pair",
        "KE401",
        Text("the tunnel's certificate and key cannot be loaded", zh="隧道的证书和私钥无法加载"),
    ),
    (
        r"kubelet should not (be )?running",
        "KE705",
        Text(
            "a kubelet runs on this host and edgecore refuses to start beside it",
            zh="本机运行着 kubelet，edgecore 拒绝与其共存",
        ),
    ),
    (
        r"Failed to listen and serve|listen tcp \S+:10350: bind: address already in use",
        "KE504",
        Text("something else holds port 10350", zh="10350 端口被其他程序占用"),
    ),
    (
        r"Failed to get IP address by custom interface",
        "KE510",
        Text(
            "the interface named in customInterfaceName has no address",
            zh="customInterfaceName 指定的网卡没有地址",
        ),
    ),
    (
        r"validate CRI v1 runtime API|Failed to run kubelet.*runtime",
        "KE706",
        Text("the container runtime does not answer", zh="容器运行时没有应答"),
    ),
    (
        r"Failed to register db|Failed to connect to DB|Failed to migrate",
        "KE713",
        Text("edgecore's database cannot be opened", zh="edgecore 的数据库无法打开"),
    ),
    (
        r"Failed to initialize CSINode",
        "",
        Text(
            "edged waited for the cloud in vain; feature gate DisableCSIVolumePlugin avoids that",
            zh="edged 等待云端超时；启用特性门控 DisableCSIVolumePlugin 可避免",
        ),
    ),
    (
        r"cgroup",
        "KE209",
        Text("edged cannot use the control groups of this host", zh="edged 无法使用本机的 cgroup"),
    ),
)


def exit_meaning(line: str) -> ExitMeaning | None:
    """What the last line of an edgecore that ended means, or ``None`` if it is none that is known."""
    for pattern, code, text in _EXITS:
        if patterns.compiled(pattern).search(line):
            return ExitMeaning(text, code)
    return None
