"""X.509 certificates and private keys: what they say, who signed them, which hosts they cover, and making new ones.

PEM and DER are both read. This is the only module that imports cryptography, and only inside functions, so
that importing it costs nothing.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, NamedTuple

from kedoctor import patterns
from kedoctor.pki import hostnames

Validity = Literal["valid", "expired", "not-yet"]
KeyAlgorithm = Literal["RSA-2048", "ECDSA-P-256"]

BACKDATED = timedelta(minutes=5)
"""New certificates are valid from a little before now, for the clocks that run late."""

_PEM_BLOCK = patterns.compiled(
    rb"-----BEGIN (?P<label>[A-Z0-9 ]{1,40})-----(?P<body>[^-]*)-----END (?P=label)-----", patterns.ASCII
)
_REDACTED_KEY = patterns.compiled(
    r"\[redacted private key(?: spki-sha256=(?P<spki>[0-9a-f]{64}))?(?: token=(?P<token>[^\]\s]*))?\]"
)
_CERTIFICATE_LABELS = {b"CERTIFICATE", b"X509 CERTIFICATE", b"TRUSTED CERTIFICATE"}


class CertificateError(ValueError):
    """Why a certificate or key cannot be read: ``reason``, and for a redacted key what is still known of it."""

    def __init__(self, reason: str, spki_sha256: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.spki_sha256 = spki_sha256


@dataclass(frozen=True, slots=True)
class Certificate:
    """One certificate, as its issuer wrote it; digests are lower-case hexadecimal."""

    subject: str
    common_name: str
    organizations: tuple[str, ...]
    issuer: str
    serial_hex: str
    not_before: datetime
    not_after: datetime
    dns_names: tuple[str, ...]
    ip_addresses: tuple[str, ...]
    is_ca: bool
    extended_key_usage: tuple[str, ...]
    sha256: str
    spki_sha256: str
    key_algorithm: str
    der: bytes = field(repr=False)

    def is_signed_by(self, other: Certificate) -> bool:
        """Whether ``other`` is named as issuer and its key really made this signature (RSA, ECDSA, Ed25519)."""
        from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm  # noqa: PLC0415 - heavy

        try:
            _parse(self.der).verify_directly_issued_by(_parse(other.der))
        except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
            return False
        return True

    def valid_at(self, now: datetime) -> Validity:
        """Whether the certificate is valid at ``now`` (aware); both of its dates are within it, as in Go."""
        if now < self.not_before:
            return "not-yet"
        return "expired" if now > self.not_after else "valid"

    def covers(self, host: str) -> bool:
        """Whether a Go client that dials ``host`` accepts this certificate's names; the common name never counts."""
        return hostnames.covered(host, self.dns_names, self.ip_addresses)


class PrivateKey(NamedTuple):
    """What may be told of a private key: the digest of its public half, and its kind."""

    spki_sha256: str
    algorithm: str


class Issued(NamedTuple):
    """A new certificate and its private key, both PEM."""

    certificate: bytes
    key: bytes


def read_certificates(data: bytes) -> tuple[Certificate, ...]:
    """The certificates in PEM (one or many, other blocks are passed over) or one in DER.

    Raises:
        CertificateError: there is none, or one of them cannot be read.
    """
    if not data.strip():
        raise CertificateError("it is empty")
    if b"-----BEGIN" not in data:
        return (_certificate(data),)
    blocks = [match for match in _PEM_BLOCK.finditer(data) if match["label"] in _CERTIFICATE_LABELS]
    if not blocks:
        raise CertificateError("it holds no certificate")
    return tuple(_certificate(_base64(match["body"])) for match in blocks)


def read_private_key(data: bytes) -> PrivateKey:
    """What a private key in PEM or DER (PKCS #1, SEC 1, PKCS #8) has to say about its public half.

    Raises:
        CertificateError: no key, an encrypted one, or a redacted one (``reason`` is then ``"redacted"`` and
            ``spki_sha256`` what the placeholder tells).
    """
    placeholder = _REDACTED_KEY.search(data.decode("utf-8", "replace"))
    if placeholder or b"REDACTED" in data.upper():
        raise CertificateError("redacted", placeholder["spki"] if placeholder else None)
    public = _load_private_key(data).public_key()
    return PrivateKey(_digest(_spki(public)), _algorithm(public))


def key_matches(certificate: Certificate, key: PrivateKey) -> bool:
    """Whether the key is the private half of the certificate's key."""
    return certificate.spki_sha256 == key.spki_sha256


def pem_from_der(der: bytes, label: str = "CERTIFICATE") -> bytes:
    """The PEM form of DER bytes."""
    text = base64.b64encode(der).decode("ascii")
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""]).encode("ascii")


def make_ca(
    common_name: str, now: datetime, days: int = 3650, algorithm: KeyAlgorithm = "ECDSA-P-256"
) -> Issued:
    """A new self-signed certificate authority, valid for ``days`` from ``now`` (aware)."""
    from cryptography import x509  # noqa: PLC0415 - heavy, and only repairs and labs make certificates

    key = _new_key(algorithm)
    name = _name(common_name, ())
    builder = _builder(name, name, key.public_key(), now, days)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    usage = ("key_cert_sign", "crl_sign", "digital_signature")
    builder = builder.add_extension(_key_usage(*usage), critical=True)
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    return _issue(builder.add_extension(identifier, critical=False), key, key)


def sign_server(
    ca: Issued,
    common_name: str,
    hosts: Sequence[str],
    now: datetime,
    *,
    days: int = 365,
    algorithm: KeyAlgorithm = "RSA-2048",
    organizations: Sequence[str] = (),
) -> Issued:
    """A new server (and client) certificate for these addresses and names, signed by ``ca`` (PEM or DER).

    Raises:
        CertificateError: the authority cannot be read, or its key is not the one of its certificate.
    """
    from cryptography import x509  # noqa: PLC0415 - heavy, and only repairs and labs make certificates
    from cryptography.x509.oid import ExtendedKeyUsageOID as Usage  # noqa: PLC0415

    authority = read_certificates(ca.certificate)[0]
    if not key_matches(authority, read_private_key(ca.key)):
        raise CertificateError("the key is not the one of the certificate authority")
    issuer = _parse(authority.der)
    key, signing_key = _new_key(algorithm), _load_private_key(ca.key)
    builder = _builder(_name(common_name, organizations), issuer.subject, key.public_key(), now, days)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_key_usage("digital_signature", "key_encipherment"), critical=True)
    usages = x509.ExtendedKeyUsage([Usage.SERVER_AUTH, Usage.CLIENT_AUTH])
    builder = builder.add_extension(usages, critical=False)
    # Without an identifier of its own OpenSSL takes it for self-signed if the authority has the same name.
    own = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    builder = builder.add_extension(own, critical=False)
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.public_key())
    builder = builder.add_extension(identifier, critical=False)
    if hosts:
        builder = builder.add_extension(_alternative_names(hosts), critical=False)
    return _issue(builder, key, signing_key)


def _certificate(der: bytes) -> Certificate:
    from cryptography import x509  # noqa: PLC0415 - heavy
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415

    odd = (x509.InvalidVersion, x509.DuplicateExtension, x509.UnsupportedGeneralNameType)
    try:
        return _described(_parse(der), der)
    except UnsupportedAlgorithm as error:
        raise CertificateError(f"it uses an algorithm that is not supported: {error}") from error
    except (ValueError, TypeError, LookupError, OverflowError, *odd) as error:
        raise CertificateError(f"it is not a certificate: {str(error)[:120]}") from error


def _parse(der: bytes) -> Any:
    """The library's certificate object, read without its warnings about odd but working certificates."""
    import warnings  # noqa: PLC0415 - goes with the next one

    from cryptography import x509  # noqa: PLC0415 - heavy
    from cryptography.utils import CryptographyDeprecationWarning  # noqa: PLC0415

    warnings.simplefilter("ignore", CryptographyDeprecationWarning)
    return x509.load_der_x509_certificate(der)


def _described(parsed: Any, der: bytes) -> Certificate:
    from cryptography.x509.oid import NameOID  # noqa: PLC0415 - heavy

    names = {
        oid: [str(a.value) for a in parsed.subject.get_attributes_for_oid(oid)]
        for oid in (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME)
    }
    alternatives = _alternatives(parsed)
    public = parsed.public_key()
    return Certificate(
        subject=parsed.subject.rfc4514_string(),
        common_name=next(iter(names[NameOID.COMMON_NAME]), ""),
        organizations=tuple(names[NameOID.ORGANIZATION_NAME]),
        issuer=parsed.issuer.rfc4514_string(),
        serial_hex=f"{parsed.serial_number:x}",
        not_before=parsed.not_valid_before_utc,
        not_after=parsed.not_valid_after_utc,
        dns_names=alternatives[0],
        ip_addresses=alternatives[1],
        is_ca=_is_ca(parsed),
        extended_key_usage=_usages(parsed),
        sha256=_digest(der),
        spki_sha256=_digest(_spki(public)),
        key_algorithm=_algorithm(public),
        der=der,
    )


def _extension(parsed: Any, name: str) -> Any:
    from cryptography import x509  # noqa: PLC0415 - heavy

    try:
        return parsed.extensions.get_extension_for_class(getattr(x509, name)).value
    except x509.ExtensionNotFound:
        return None


def _alternatives(parsed: Any) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """DNS names and IP addresses; an empty DNS name, as in KubeEdge's own certificate, stays one."""
    from cryptography import x509  # noqa: PLC0415 - heavy

    names = _extension(parsed, "SubjectAlternativeName")
    if names is None:
        return (), ()
    addresses = (str(address) for address in names.get_values_for_type(x509.IPAddress))
    return tuple(names.get_values_for_type(x509.DNSName)), tuple(addresses)


def _is_ca(parsed: Any) -> bool:
    constraints = _extension(parsed, "BasicConstraints")
    return bool(constraints and constraints.ca)


def _usages(parsed: Any) -> tuple[str, ...]:
    """Extended key usages by their usual short names, or the dotted number where there is none."""
    names = {"1.3.6.1.5.5.7.3.1": "serverAuth", "1.3.6.1.5.5.7.3.2": "clientAuth", "2.5.29.37.0": "any"}
    usages = _extension(parsed, "ExtendedKeyUsage") or ()
    return tuple(names.get(usage.dotted_string, usage.dotted_string) for usage in usages)


def _spki(public: Any) -> bytes:
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - heavy

    encoding, form = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    return bytes(public.public_bytes(encoding, form))


def _algorithm(public: Any) -> str:
    kind = type(public).__name__.removesuffix("PublicKey").lstrip("_")
    if kind.startswith("RSA"):
        return f"RSA-{public.key_size}"
    if hasattr(public, "curve"):
        return "ECDSA-" + patterns.compiled(r"secp(\d+)r1").sub(r"P-\1", public.curve.name)
    return kind


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _base64(body: bytes) -> bytes:
    try:
        return base64.b64decode(b"".join(body.split()), validate=True)
    except binascii.Error as error:
        raise CertificateError("its PEM text is damaged") from error


def _load_private_key(data: bytes) -> Any:
    """The library's key object from the first private key in PEM, or from DER."""
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 - heavy
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415

    if not data.strip():
        raise CertificateError("it is empty")
    load: Callable[..., Any] = serialization.load_der_private_key
    if b"-----BEGIN" in data:
        block = next((m for m in _PEM_BLOCK.finditer(data) if m["label"].endswith(b"PRIVATE KEY")), None)
        if block is None:
            raise CertificateError(
                "it holds no private key" if b"ENCRYPTED" not in data else "it is encrypted"
            )
        data, load = block[0] + b"\n", serialization.load_pem_private_key
    try:
        key = load(data, password=None)
        key.public_key()
    except UnsupportedAlgorithm as error:
        raise CertificateError(f"it uses an algorithm that is not supported: {error}") from error
    except (ValueError, TypeError, AttributeError, OverflowError) as error:
        encrypted = isinstance(error, TypeError) or b"ENCRYPTED" in data
        raise CertificateError("it is encrypted" if encrypted else "it is not a private key") from error
    return key


def _new_key(algorithm: KeyAlgorithm) -> Any:
    from cryptography.hazmat.primitives.asymmetric import ec, rsa  # noqa: PLC0415 - heavy

    if algorithm == "RSA-2048":
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return ec.generate_private_key(ec.SECP256R1())


def _name(common_name: str, organizations: Sequence[str]) -> Any:
    from cryptography import x509  # noqa: PLC0415 - heavy
    from cryptography.x509.oid import NameOID  # noqa: PLC0415

    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, each) for each in organizations]
    return x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _builder(subject: Any, issuer: Any, public: Any, now: datetime, days: int) -> Any:
    from cryptography import x509  # noqa: PLC0415 - heavy

    start = now.astimezone(UTC).replace(microsecond=0)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(public)
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(start - BACKDATED)
    return builder.not_valid_after(start + timedelta(days=days))


def _key_usage(*used: str) -> Any:
    from cryptography import x509  # noqa: PLC0415 - heavy

    usages = "digital_signature content_commitment key_encipherment data_encipherment key_agreement"
    usages += " key_cert_sign crl_sign encipher_only decipher_only"
    return x509.KeyUsage(**{usage: usage in used for usage in usages.split()})


def _alternative_names(hosts: Sequence[str]) -> Any:
    from cryptography import x509  # noqa: PLC0415 - heavy

    found = ((host, hostnames.address(host)) for host in dict.fromkeys(hosts))
    return x509.SubjectAlternativeName(
        [x509.DNSName(host) if address is None else x509.IPAddress(address) for host, address in found]
    )


def _issue(builder: Any, key: Any, signing_key: Any) -> Issued:
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415 - heavy

    certificate = builder.sign(signing_key, hashes.SHA256())
    form = serialization.PrivateFormat.TraditionalOpenSSL
    private = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    return Issued(certificate.public_bytes(serialization.Encoding.PEM), private)
