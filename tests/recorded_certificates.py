"""Certificates that stand for the recorded ones whose DER or private key was withheld.

What is recorded: the DER of the KubeEdge CA and of cloudcore's certificate (Secrets ``casecret`` and
``cloudcoresecret``) without their keys, and of the edge's files only what ``openssl x509 -text`` says. A server.crt
that chains to the recorded CA can therefore not be made. So the whole chain is made anew: every subject, issuer,
serial number, date, name and extension is the recorded one, only the key pairs are ours. The same CA stands in the
Secret, in the edge's rootCA.crt, behind 10002 and (by its hash) in the join token, as on the recorded site; an edge
whose recorded rootCA.crt was another one gets another one here. The stream certificates are the recorded ones.

Keys are derived from fixed text and signatures are deterministic, so equal recordings give equal bytes.
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID as Usage
from cryptography.x509.oid import NameOID

__all__ = ["Described", "Pki", "descriptions"]

_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # of the group of P-256
_NAMES = {
    "CN": NameOID.COMMON_NAME,
    "O": NameOID.ORGANIZATION_NAME,
    "C": NameOID.COUNTRY_NAME,
    "ST": NameOID.STATE_OR_PROVINCE_NAME,
    "L": NameOID.LOCALITY_NAME,
}
_USAGES = {
    "TLS Web Server Authentication": Usage.SERVER_AUTH,
    "TLS Web Client Authentication": Usage.CLIENT_AUTH,
}


@dataclass(frozen=True, slots=True)
class Described:
    """A certificate as ``openssl x509 -subject -issuer -dates -serial -ext extendedKeyUsage`` prints it."""

    subject: x509.Name
    issuer: x509.Name
    not_before: datetime
    not_after: datetime
    serial: int
    usages: tuple[x509.ObjectIdentifier, ...]


def descriptions(text: str) -> dict[str, Described]:
    """The certificates of an ``edge*-certs.txt`` by path."""
    found = {}
    for part in re.split(r"^== ", text, flags=re.MULTILINE)[1:]:
        path, _, rest = part.partition("\n")
        values = dict(re.findall(r"^(subject|issuer|notBefore|notAfter|serial)=(.*)$", rest, re.MULTILINE))
        usage = re.search(r"Extended Key Usage: ?\n +(.*)$", rest, re.MULTILINE)
        found[path] = Described(
            _name(values["subject"]),
            _name(values["issuer"]),
            _date(values["notBefore"]),
            _date(values["notAfter"]),
            int(values["serial"], 16),
            tuple(_USAGES[word] for word in usage[1].split(", ")) if usage else (),
        )
    return found


def _name(text: str) -> x509.Name:
    pairs = (part.split(" = ", 1) for part in text.split(", "))
    return x509.Name([x509.NameAttribute(_NAMES[key], value) for key, value in pairs])


def _date(text: str) -> datetime:
    return datetime.strptime(text, "%b %d %H:%M:%S %Y GMT").replace(tzinfo=UTC)


@cache
def _key(seed: str) -> ec.EllipticCurvePrivateKey:
    number = int.from_bytes(hashlib.sha512(f"kedoctor fixture {seed}".encode()).digest(), "big")
    return ec.derive_private_key(number % (_ORDER - 1) + 1, ec.SECP256R1())


def _key_der(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption())


class Pki:
    """The chain of one recorded site, made from its recorded CA and cloudcore certificate (DER)."""

    def __init__(self, recorded_ca: bytes, recorded_cloudcore: bytes) -> None:
        self._key = _key("casecret")
        ca = x509.load_der_x509_certificate(recorded_ca)
        self.ca = self._again(ca, self._key)
        self.cloudcore = self._again(
            x509.load_der_x509_certificate(recorded_cloudcore), _key("cloudcoresecret")
        )
        self.ca_key = _key_der(self._key)
        self.cloudcore_key = _key_der(_key("cloudcoresecret"))
        self._ca_serial = ca.serial_number
        self._ca_name = ca.subject  # an issuer is compared byte for byte, so it keeps the encoding Go gave it
        self._ca_not_before = ca.not_valid_before_utc

    def root_ca(self, described: Described) -> bytes:
        """An edge's rootCA.crt (PEM): the site's CA, or where another was recorded, a self-signed one like it."""
        same = described.serial == self._ca_serial and described.not_before == self._ca_not_before
        der = self.ca if same else self._signed(described, _key("other rootCA"), _key("other rootCA"))
        return _pem(der)

    def edge_certificate(self, node: str, described: Described) -> bytes:
        """An edge's server.crt (PEM), signed by the site's CA."""
        return _pem(self._signed(described, _key(f"edge {node}"), self._key, self._ca_name))

    def cloudcore_for(self, address: str) -> bytes:
        """cloudcore's certificate (DER) for that address and no other."""
        return self._again(
            x509.load_der_x509_certificate(self.cloudcore),
            _key("cloudcoresecret"),
            names=x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))]),
        )

    def edge_key(self, node: str) -> bytes:
        """An edge's server.key (PEM)."""
        return _key(f"edge {node}").private_bytes(
            Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()
        )

    def join_token(self, recorded: str) -> str:
        """The recorded join token with the hash of our CA; its JWT keeps all but the signature."""
        header, payload = recorded.split(".")[1:3]
        signature = base64.urlsafe_b64encode(hashlib.sha256(payload.encode()).digest()).rstrip(b"=").decode()
        return ".".join((hashlib.sha256(self.ca).hexdigest(), header, payload, signature))

    def _again(
        self,
        recorded: x509.Certificate,
        key: ec.EllipticCurvePrivateKey,
        names: x509.SubjectAlternativeName | None = None,
    ) -> bytes:
        builder = (
            x509.CertificateBuilder()
            .subject_name(recorded.subject)
            .issuer_name(recorded.issuer)
            .serial_number(recorded.serial_number)
            .not_valid_before(recorded.not_valid_before_utc)
            .not_valid_after(recorded.not_valid_after_utc)
            .public_key(key.public_key())
        )
        for extension in recorded.extensions:
            value: x509.ExtensionType = extension.value
            if isinstance(value, x509.SubjectKeyIdentifier):
                value = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
            elif names is not None and isinstance(value, x509.SubjectAlternativeName):
                value = names
            elif isinstance(value, x509.AuthorityKeyIdentifier):
                value = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
            builder = builder.add_extension(value, extension.critical)
        signed = builder.sign(self._key, hashes.SHA256(), ecdsa_deterministic=True)
        return signed.public_bytes(Encoding.DER)

    @staticmethod
    def _signed(
        described: Described,
        key: ec.EllipticCurvePrivateKey,
        issuer: ec.EllipticCurvePrivateKey,
        issuer_name: x509.Name | None = None,
    ) -> bytes:
        builder = (
            x509.CertificateBuilder()
            .subject_name(described.subject)
            .issuer_name(issuer_name or described.issuer)
            .serial_number(described.serial)
            .not_valid_before(described.not_before)
            .not_valid_after(described.not_after)
            .public_key(key.public_key())
        )
        if described.usages:
            builder = builder.add_extension(x509.ExtendedKeyUsage(described.usages), critical=False)
        return builder.sign(issuer, hashes.SHA256(), ecdsa_deterministic=True).public_bytes(Encoding.DER)


def _pem(der: bytes) -> bytes:
    return x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM)


def withheld_key_of(certificate: bytes) -> bytes:
    """What a bundle holds in place of the private key of a certificate (PEM) whose key was withheld.

    cloudcore served 10003 with this pair, and Go refuses a pair that does not match: so the public half is known.
    """
    public = x509.load_pem_x509_certificate(certificate).public_key()
    spki = hashlib.sha256(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()
    return f"[redacted private key spki-sha256={spki} token={spki[:12]}]".encode()
