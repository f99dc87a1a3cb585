"""A stand-in for edgecore: reads the real file, refuses as edgecore does, serves 10350 and dials the cloud.

Installed as ``/usr/local/bin/edgecore`` in a lab machine, so that its processes, sockets, unit and journal look like
edgecore's. What it says and how it ends follow facts.md §2.1, §3.5, §4.3 and §5, and testbed.md cases f1, k and l.
"""

from __future__ import annotations

import http.client
import http.server
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, NoReturn

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from kedoctor.yaml.document import YamlError, load

CONFIG = Path("/etc/kubeedge/config/edgecore.yaml")
BOOTSTRAP = Path("/etc/kubeedge/bootstrap-edgecore.conf")
STARTS = Path("/run/edgecore-starts")  # a line for each start, so that tests can count them
DIES_STREAMING = Path(
    "/etc/standin/dies-streaming"
)  # ends once edgeStream is on, as some hosts make edgecore
REDIAL = 2.0
ALERTS = {
    "CERTIFICATE_EXPIRED": "remote error: tls: expired certificate",
    "UNKNOWN_CA": "remote error: tls: unknown certificate authority",
    "CERTIFICATE_REQUIRED": "remote error: tls: certificate required",
}


def klog(severity: str, source: str, message: str) -> None:
    now = datetime.now().astimezone()
    sys.stderr.write(f"{severity}{now:%m%d %H:%M:%S.%f} {os.getpid():7d} {source}] {message}\n")
    sys.stderr.flush()


def fatal(source: str, message: str) -> NoReturn:
    klog("F", source, message)
    os._exit(1)


def panic(message: str) -> NoReturn:
    sys.stderr.write(f"panic: {message}\n\ngoroutine 1 [running]:\nmain.main()\n")
    sys.stderr.flush()
    os._exit(2)


class Config:
    """The file over the defaults, as far as the stand-in needs it."""

    def __init__(self, data: dict[str, Any]) -> None:
        self.data = data

    def value(self, path: str, default: Any) -> Any:
        found: Any = self.data
        for part in path.split("."):
            if not isinstance(found, dict) or part not in found:
                return default
            found = found[part]
        return found


def read_config() -> Config:
    if not CONFIG.exists():
        fatal("server.go:63", f"[ config: Required value: config file {CONFIG} not exist. ]")
    try:
        data = load(CONFIG.read_bytes()).data
    except YamlError as error:
        fatal(
            "server.go:68",
            f"failed to unmarshal configfile {CONFIG}, err: error converting YAML to JSON: yaml: line {error.line}: {error.reason}",
        )
    modules = data.get("modules") or {}
    for name, section in modules.items():
        if section is None and name in {"edgeStream", "edgeHub", "edged"}:
            panic("runtime error: invalid memory address or nil pointer dereference")
    enable = (modules.get("edgeStream") or {}).get("enable", False)
    if not isinstance(enable, bool):
        fatal(
            "server.go:68",
            f"failed to unmarshal configfile {CONFIG}, err: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal string into Go struct field EdgeStream.modules.edgeStream.enable of type bool",
        )
    return Config(data)


def refuse_kubelet() -> None:
    for comm in Path("/proc").glob("[0-9]*/comm"):
        try:
            name = comm.read_text().strip()
        except OSError:
            continue
        if name == "kubelet":
            fatal(
                "server.go:117",
                "failed to check the running environment: kubelet should not be running on edge node when running edgecore",
            )


class Pair:
    """The edge's certificate: what is on disk, or what the cloud issues for a token."""

    def __init__(self, config: Config) -> None:
        self.ca = config.value("modules.edgeHub.tlsCaFile", "/etc/kubeedge/ca/rootCA.crt")
        self.certificate = config.value("modules.edgeHub.tlsCertFile", "/etc/kubeedge/certs/server.crt")
        self.key = config.value("modules.edgeHub.tlsPrivateKeyFile", "/etc/kubeedge/certs/server.key")
        self.node = config.value("modules.edged.hostnameOverride", socket.gethostname())
        self.server = config.value("modules.edgeHub.httpServer", "https://127.0.0.1:10002").removeprefix(
            "https://"
        )
        self.token = config.value("modules.edgeHub.token", "") or ""

    def obtain(self) -> None:
        try:
            ssl.create_default_context().load_cert_chain(self.certificate, self.key)
        except (OSError, ssl.SSLError) as error:
            klog("W", "certmanager.go:79", f"unable to get the current edge certs, reason: {error}")
        else:
            return
        in_file = bool(self.token)
        if BOOTSTRAP.exists():
            self.token = BOOTSTRAP.read_text()
        try:
            self._apply()
        except (OSError, ValueError, http.client.HTTPException) as error:
            panic(f"failed to apply the edge certs, err: {error}")
        if in_file:
            self._forget_token()

    def _apply(self) -> None:
        parts = self.token.split(".")
        if len(parts) != 4:
            raise ValueError(f"token {self.token} credentials are in the wrong format")
        authority = self._get("/ca.crt", ssl._create_unverified_context())
        digest = sha256(authority).hexdigest()
        if digest != parts[0]:
            raise ValueError(f"failed to validate CA certificate. tokenCAhash: {parts[0]}, CAhash: {digest}")
        self._write(self.ca, ssl.DER_cert_to_PEM_cert(authority).encode())
        key, request = new_request(self.node)
        trusting = ssl.create_default_context(cadata=ssl.DER_cert_to_PEM_cert(authority))
        headers = {"Authorization": f"Bearer {'.'.join(parts[1:])}", "NodeName": self.node}
        issued = self._get("/edge.crt", trusting, body=request, headers=headers)
        self._write(self.key, key)
        self._write(self.certificate, ssl.DER_cert_to_PEM_cert(issued).encode())

    def _get(self, path: str, context: ssl.SSLContext, **words: Any) -> bytes:
        connection = http.client.HTTPSConnection(self.server, context=context, timeout=10)
        connection.request("GET", path, **words)
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise ValueError(
                f"failed to get edge certificate from the cloudcore, error: failed to call http, code: {answer.status}, message: {body.decode()}"
            )
        return body

    def _write(self, path: str, data: bytes) -> None:
        place = Path(path)
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        place.write_bytes(data)
        place.chmod(0o600)

    def _forget_token(self) -> None:
        # edgecore writes its whole file anew; the stand-in only shows that the comments are gone.
        text = CONFIG.read_text(encoding="utf-8-sig").replace(self.token, "")
        kept = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
        CONFIG.write_text("\n".join(kept) + "\n")
        CONFIG.chmod(0o640)


def new_request(node: str) -> tuple[bytes, bytes]:
    """A private key (PEM) and a request for ``system:node:<node>`` (DER)."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name(
        [
            x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "system:nodes"),
            x509.NameAttribute(x509.NameOID.COMMON_NAME, f"system:node:{node}"),
        ]
    )
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    return pem, request.public_bytes(serialization.Encoding.DER)


class Health(http.server.BaseHTTPRequestHandler):
    node = ""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        if self.path.startswith("/stats/summary"):
            self.wfile.write(json.dumps({"node": {"nodeName": self.node}, "pods": []}).encode())
        else:
            self.wfile.write(b"ok")

    def log_message(self, *_: object) -> None:
        pass


class Server(http.server.ThreadingHTTPServer):
    allow_reuse_address = True
    daemon_threads = True


def serve_edged(config: Config) -> None:
    kubelet = "modules.edged.tailoredKubeletConfig"
    address = config.value(f"{kubelet}.address", "127.0.0.1")
    port = config.value(f"{kubelet}.readOnlyPort", 10350)
    klog("I", "server.go:202", f'"Starting to listen read-only" address="{address}" port={port}')
    Health.node = config.value("modules.edged.hostnameOverride", socket.gethostname())
    try:
        server = Server((address, port), Health)
    except OSError as error:
        klog(
            "E",
            "server.go:219",
            f'"Failed to listen and serve" err="listen tcp {address}:{port}: {error.strerror}"',
        )
        os._exit(1)
    threading.Thread(target=server.serve_forever, daemon=True).start()


def held(
    server: str,
    path: str,
    context: ssl.SSLContext,
    said: bytes = b"",
    answers: Callable[[str], bytes] = lambda _: b"",
) -> None:
    """Holds a websocket to the cloud until it breaks; every failure becomes an OSError in Go's words.

    It begins with what is ``said``; each line that comes is answered.
    """
    host, _, port = server.rpartition(":")
    try:
        plain = socket.create_connection((host, int(port)), timeout=10)
    except OSError as error:
        raise OSError(f"dial tcp {server}: connect: {(error.strerror or str(error)).lower()}") from error
    try:
        with context.wrap_socket(plain) as connection:
            connection.sendall(
                f"GET {path} HTTP/1.1\r\nHost: {server}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n".encode()
            )
            answer = connection.recv(4096)
            if b" 101 " not in answer:
                raise OSError("websocket: bad handshake")
            connection.sendall(said)
            connection.settimeout(None)
            while data := connection.recv(4096):
                for line in data.decode().splitlines():
                    connection.sendall(answers(line))
    except ssl.SSLError as error:
        words = next((text for reason, text in ALERTS.items() if reason in str(error)), str(error))
        raise OSError(words) from error
    raise EOFError


def status() -> bytes:
    """What the cloud is told of this node: the images in the runtime's store."""
    argv = ["ctr", "-n", "k8s.io", "images", "ls", "-q"]
    try:
        listed = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=20).stdout
    except OSError:
        listed = ""
    return json.dumps({"images": listed.split()}).encode() + b"\n"


def hub(config: Config, pair: Pair) -> None:
    server = config.value("modules.edgeHub.websocket.server", "127.0.0.1:10000")
    while True:
        try:
            context = ssl.create_default_context(cafile=pair.ca)
            context.check_hostname = False
            context.load_cert_chain(pair.certificate, pair.key)
            klog("I", "websocket.go:93", "Websocket connect to cloud access successful")
            held(server, f"/e632aba927ea4ac2b575ec1603d56f10/{pair.node}/events", context, status())
        except EOFError:
            klog("W", "edgehub.go:138", "connection is broken, will reconnect after 5s")
        except OSError as error:
            klog("E", "ws.go:84", f"dial websocket error({error}), response message: ")
        time.sleep(5)


def own_answer(config: Config, path: str) -> bytes:
    """What edged answers to a request that came through the tunnel, as a line."""
    kubelet = "modules.edged.tailoredKubeletConfig"
    port = config.value(f"{kubelet}.readOnlyPort", 10350)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path)
    answer = connection.getresponse()
    return json.dumps({"status": answer.status, "body": answer.read().decode()}).encode() + b"\n"


def tunnel(config: Config) -> None:
    section = "modules.edgeStream"
    server = config.value(f"{section}.server", "127.0.0.1:10004")
    context = ssl._create_unverified_context()
    try:
        context.load_cert_chain(
            config.value(f"{section}.tlsTunnelCertFile", "/etc/kubeedge/certs/server.crt"),
            config.value(f"{section}.tlsTunnelPrivateKeyFile", "/etc/kubeedge/certs/server.key"),
        )
    except (OSError, ssl.SSLError) as error:
        fatal("edgestream.go:97", f"Failed to load x509 key pair: {error}")
    while True:
        klog("I", "edgestream.go:121", "Start a new tunnel stream connection ...")
        try:
            held(server, "/v1/kubeedge/connect", context, answers=lambda path: own_answer(config, path))
        except EOFError:
            klog(
                "E",
                "tunnel.go:180",
                "Read Message error websocket: close 1006 (abnormal closure): unexpected EOF",
            )
        except OSError as error:
            klog("E", "edgestream.go:147", f"dial wss://{server}/v1/kubeedge/connect error {error}")
            klog("E", "edgestream.go:114", f"TLSClientConnect error {error}")
        time.sleep(REDIAL)


def terminated(number: int, frame: object) -> None:
    del number, frame
    klog("I", "core.go:63", "Get os signal terminated")
    os._exit(0)


def main() -> None:
    signal.signal(signal.SIGTERM, terminated)
    with STARTS.open("a") as starts:
        starts.write(f"{os.getpid()}\n")
    config = read_config()
    klog("I", "server.go:104", "Version: v1.22.0")
    refuse_kubelet()
    streaming = config.value("modules.edgeStream.enable", default=False)
    for module in ("twin", "edged", "websocket", "metamanager"):
        klog("I", "module.go:90", f"Module {module} registered successfully")
    if streaming:
        klog("I", "module.go:90", "Module edgestream registered successfully")
    else:
        klog("W", "module.go:93", "Module edgestream is disabled, do not register")
    if streaming and DIES_STREAMING.exists():
        panic("runtime error: slice bounds out of range [:4] with capacity 0")
    pair = Pair(config)
    pair.obtain()
    serve_edged(config)
    threading.Thread(target=hub, args=(config, pair), daemon=True).start()
    if streaming:
        tunnel(config)
    threading.Event().wait()


if __name__ == "__main__":
    main()
