"""Certificates and keys as the sites have them: KubeEdge's own, openssl's, trustme's, broken and redacted ones."""

import base64
import shutil
import ssl
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from hypothesis import given, settings
from hypothesis import strategies as st

from kedoctor.pki import certificates
from kedoctor.pki.certificates import (
    CertificateError,
    Issued,
    key_matches,
    read_certificates,
    read_private_key,
)

NOW = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)

# Secrets casecret and cloudcoresecret of the recording "healthy": DER, and a DNS name that is empty.
CADATA = (
    "MIIBejCCAR+gAwIBAgICBAAwCgYIKoZIzj0EAwIwEzERMA8GA1UEAxMIS3ViZUVkZ2UwIBcNMjYxMTIzMDMxMzI0WhgPMjEyNjA3MjIw"
    "MzEzMjRaMBMxETAPBgNVBAMTCEt1YmVFZGdlMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEal5jekM1zvc7Z63gGmCehIx17Z4sULmm"
    "Uj3j15fdkOeV++WPySB7SRqJWQZbbzaJBVYyZWrV/C3XiekiLHPGxaNhMF8wDgYDVR0PAQH/BAQDAgKkMB0GA1UdJQQWMBQGCCsGAQUF"
    "BwMBBggrBgEFBQcDAjAPBgNVHRMBAf8EBTADAQH/MB0GA1UdDgQWBBSQuCeNkSBamRw39fkjc37jXdincTAKBggqhkjOPQQDAgNJADBG"
    "AiEA/7UNEs53jSJsLd7zXUZxmcdyzl90GhpRFYtSRx4JOeUCIQDjBDLiJxTMKSQFEZx9dHVWj/1HstfE00nnX7vDWx/Uew=="
)
CLOUDCOREDATA = (
    "MIIBizCCATKgAwIBAgIIRIQAt12Rb3EwCgYIKoZIzj0EAwIwEzERMA8GA1UEAxMIS3ViZUVkZ2UwIBcNMjYxMTIzMDMxMzI0WhgPMjEy"
    "NjA3MjIwMzEzMjRaMCYxETAPBgNVBAoTCEt1YmVFZGdlMREwDwYDVQQDEwhLdWJlRWRnZTBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IA"
    "BOobuq6uLgtQeqdiR/4azdrJpUtfsSDOlbP9p/AI+6HwpNX5lxFLmT9p8LRzGzk7QUTHC6Fz8KNG+c/oKQ7zmG2jWzBZMA4GA1UdDwEB"
    "/wQEAwIFoDATBgNVHSUEDDAKBggrBgEFBQcDATAfBgNVHSMEGDAWgBSQuCeNkSBamRw39fkjc37jXdincTARBgNVHREECjAIggCHBApj"
    "AAEwCgYIKoZIzj0EAwIDRwAwRAIgUu4Cahf1USvJOQDb/JLmVwn+wSJ16lQRwLc0rU984jYCIC4vLy8+f2XTSUzHSIlA0Ccf97TBUS3S"
    "riB+xGcedDjL"
)

openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the openssl command")


def run_openssl(*arguments: str, stdin: bytes = b"") -> bytes:
    return subprocess.run(["openssl", *arguments], input=stdin, check=True, capture_output=True).stdout


@pytest.fixture(scope="module")
def ca() -> Issued:
    return certificates.make_ca("KubeEdge", NOW)


def test_the_certificates_of_a_recorded_site() -> None:
    root = read_certificates(base64.b64decode(CADATA))[0]
    server = read_certificates(base64.b64decode(CLOUDCOREDATA))[0]
    assert (root.common_name, root.is_ca, root.serial_hex, root.key_algorithm) == (
        "KubeEdge",
        True,
        "400",
        "ECDSA-P-256",
    )
    assert root.not_before == datetime(2026, 11, 23, 3, 13, 24, tzinfo=UTC)
    assert root.sha256.startswith("caf3")
    assert (server.organizations, server.is_ca, server.extended_key_usage) == (
        ("KubeEdge",),
        False,
        ("serverAuth",),
    )
    assert (server.dns_names, server.ip_addresses) == (("",), ("10.99.0.1",))
    assert server.is_signed_by(root)
    assert root.is_signed_by(root)
    assert not root.is_signed_by(server)
    assert server.covers("10.99.0.1")
    assert not any(server.covers(host) for host in ("10.99.0.2", "KubeEdge", "", ".", "cloudcore.kubeedge"))


def test_another_authority_of_the_same_name_did_not_sign_it(ca: Issued) -> None:
    assert not read_certificates(base64.b64decode(CLOUDCOREDATA))[0].is_signed_by(
        read_certificates(ca.certificate)[0]
    )


@pytest.mark.parametrize(
    ("moment", "state"),
    [
        (datetime(2026, 11, 23, 3, 13, 23, tzinfo=UTC), "not-yet"),
        (datetime(2026, 11, 23, 3, 13, 24, tzinfo=UTC), "valid"),
        (datetime(2126, 7, 22, 3, 13, 24, tzinfo=UTC), "valid"),
        (datetime(2126, 7, 22, 3, 13, 25, tzinfo=UTC), "expired"),
    ],
)
def test_validity_includes_both_of_its_dates(moment: datetime, state: str) -> None:
    assert read_certificates(base64.b64decode(CADATA))[0].valid_at(moment) == state


@pytest.mark.parametrize(
    ("names", "host", "covered"),
    [
        (["cloud.example"], "Cloud.Example", True),
        (["cloud.example"], "cloud.example.", True),
        (["*.example"], "cloud.example", True),
        (["*.example"], "a.cloud.example", False),
        (["*.example"], "example", False),
        (["c*.example"], "cloud.example", False),
        (["10.0.0.1"], "10.0.0.1", True),
        (["10.0.0.1"], "::ffff:10.0.0.1", True),
        (["::1"], "[::1]", True),
        (["::1"], "::1%lo", False),
        (["fe80::1"], "fe80::2", False),
        ([], "10.0.0.1", False),
    ],
)
def test_hosts_are_covered_by_the_rules_of_go(ca: Issued, names: list[str], host: str, covered: bool) -> None:
    issued = certificates.sign_server(ca, "10.0.0.1", names, NOW, algorithm="ECDSA-P-256")
    assert read_certificates(issued.certificate)[0].covers(host) is covered


def test_a_wildcard_in_an_address_name_does_not_cover_addresses() -> None:
    from kedoctor.pki.hostnames import covered  # noqa: PLC0415

    assert not covered("10.0.0.1", ["10.0.0.1", "*.0.0.1"], [])
    assert covered("odd name", ["Odd Name"], [])
    assert not covered("", ["", "*"], [])


@pytest.mark.parametrize("algorithm", ["RSA-2048", "ECDSA-P-256"])
def test_what_is_made_can_be_used_for_tls(algorithm: certificates.KeyAlgorithm, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    ca = certificates.make_ca("site", now, 10, algorithm)
    issued = certificates.sign_server(
        ca, "cloudcore", ["localhost", "127.0.0.1"], now, days=5, algorithm=algorithm, organizations=["o"]
    )
    (tmp_path / "chain").write_bytes(issued.certificate + issued.key)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(tmp_path / "chain")
    client = ssl.create_default_context(cadata=ca.certificate.decode())
    _handshake(client, server)
    certificate, root = read_certificates(issued.certificate)[0], read_certificates(ca.certificate)[0]
    assert certificate.is_signed_by(root)
    assert key_matches(certificate, read_private_key(issued.key))
    assert not key_matches(root, read_private_key(issued.key))
    assert (certificate.key_algorithm, certificate.organizations, certificate.valid_at(now)) == (
        algorithm,
        ("o",),
        "valid",
    )
    assert certificate.valid_at(now + timedelta(days=6)) == "expired"
    assert certificate.extended_key_usage == ("serverAuth", "clientAuth")


def _handshake(client: ssl.SSLContext, server: ssl.SSLContext) -> None:
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = client.wrap_bio(down, up, server_hostname="localhost")
    theirs = server.wrap_bio(up, down, server_side=True)
    for _ in range(5):
        for side in (ours, theirs):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    assert ours.getpeercert()


def test_an_authority_without_its_own_key_cannot_sign(ca: Issued) -> None:
    other = certificates.make_ca("other", NOW)
    with pytest.raises(CertificateError, match="not the one"):
        certificates.sign_server(Issued(ca.certificate, other.key), "x", [], NOW)
    der = Issued(base64.b64decode(CADATA), other.key)
    with pytest.raises(CertificateError):
        certificates.sign_server(der, "x", [], NOW)


def test_certificates_of_trustme_are_read_one_and_many() -> None:
    authority = trustme.CA(organization_name="Ö GmbH")
    leaf = authority.issue_cert("edge.example", "192.0.2.7", common_name="edge")
    pem = b"# a comment\r\n" + leaf.private_key_and_cert_chain_pem.bytes() + authority.cert_pem.bytes()
    certificate, root = read_certificates(pem)
    assert certificate.is_signed_by(root)
    assert root.organizations == ("Ö GmbH",)
    assert certificate.covers("edge.example")
    assert certificate.covers("192.0.2.7")
    assert read_private_key(pem).spki_sha256 == certificate.spki_sha256
    assert certificates.pem_from_der(root.der) in pem.replace(b"\r", b"")


@openssl
def test_keys_of_openssl_in_all_forms(tmp_path: Path) -> None:
    for name, arguments in {
        "RSA-2048": ("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"),
        "ECDSA-P-384": ("ecparam", "-name", "secp384r1", "-genkey"),  # with an EC PARAMETERS block in front
        "Ed25519": ("genpkey", "-algorithm", "ed25519"),
    }.items():
        pem = run_openssl(*arguments)
        key = read_private_key(pem)
        pkcs8 = run_openssl("pkcs8", "-topk8", "-nocrypt", stdin=pem)
        forms = [pkcs8, run_openssl("pkcs8", "-topk8", "-nocrypt", "-outform", "DER", stdin=pem)]
        if name != "Ed25519":
            forms += [
                run_openssl("pkey", "-traditional", stdin=pem),
                run_openssl("pkey", "-traditional", "-outform", "DER", stdin=pem),
            ]
        assert {read_private_key(form) for form in forms} == {key}
        assert key.algorithm == name
        (tmp_path / "key").write_bytes(pem)
        certificate = run_openssl(
            "req", "-new", "-x509", "-key", str(tmp_path / "key"), "-subj", "/CN=self", "-days", "1"
        )
        assert key_matches(read_certificates(certificate)[0], key)
        assert read_certificates(certificate)[0].is_signed_by(read_certificates(certificate)[0])
        locked = run_openssl("pkcs8", "-topk8", "-passout", "pass:x", stdin=pem)
        with pytest.raises(CertificateError, match="encrypted"):
            read_private_key(locked)


@openssl
def test_an_old_encrypted_key_is_encrypted_not_broken() -> None:
    pem = run_openssl("genrsa", "-traditional", "-aes128", "-passout", "pass:x", "2048")
    assert b"Proc-Type" in pem
    with pytest.raises(CertificateError, match="encrypted"):
        read_private_key(pem)


def test_a_redacted_key_says_that_it_is_one(ca: Issued) -> None:
    key = read_private_key(ca.key)
    placeholder = (
        f"[redacted private key spki-sha256={key.spki_sha256} token=t7]"  # as kedoctor.redaction writes it
    )
    with pytest.raises(CertificateError) as caught:
        read_private_key(placeholder.encode())
    assert (caught.value.reason, caught.value.spki_sha256) == ("redacted", key.spki_sha256)
    recorded = [
        b"REDACTED (121 bytes DER)",
        b"-----BEGIN RSA PRIVATE KEY-----\nREDACTED\n-----END RSA PRIVATE KEY-----\n",
    ]
    for text in recorded:
        with pytest.raises(CertificateError) as caught:
            read_private_key(text)
        assert (caught.value.reason, caught.value.spki_sha256) == ("redacted", None)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b"text", "not a certificate"),
        (base64.b64decode(CADATA) + b"x", "not a certificate"),
        (base64.b64decode(CADATA)[:-9], "not a certificate"),
        (b"-----BEGIN CERTIFICATE-----\n", "no certificate"),
        (b"-----BEGIN CERTIFICATE-----\n*\n-----END CERTIFICATE-----\n", "damaged"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "not a certificate"),
    ],
)
def test_what_is_no_certificate_is_told_apart(data: bytes, reason: str) -> None:
    with pytest.raises(CertificateError, match=reason):
        read_certificates(data)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"text", "not a private key"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "no private key"),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "not a private key"),
    ],
)
def test_what_is_no_key_is_told_apart(data: bytes, reason: str) -> None:
    with pytest.raises(CertificateError, match=reason):
        read_private_key(data)


def _ends_well(data: bytes) -> bool:
    for read in (read_certificates, read_private_key):
        try:
            read(data)
        except CertificateError as error:
            if not error.reason:
                return False
    return True


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_give_a_value_or_a_certificate_error(data: bytes) -> None:
    assert _ends_well(data)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 393), st.integers(0, 255), st.sampled_from([CADATA, CLOUDCOREDATA]))
def test_damaged_certificates_give_a_value_or_a_certificate_error(at: int, byte: int, text: str) -> None:
    der = bytearray(base64.b64decode(text))
    der[at % len(der)] = byte
    assert _ends_well(bytes(der))
    assert _ends_well(certificates.pem_from_der(bytes(der)))


def test_importing_the_module_does_not_import_cryptography() -> None:
    code = "import sys, kedoctor.pki.certificates; print('cryptography' in sys.modules)"
    import sys  # noqa: PLC0415

    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "False"
