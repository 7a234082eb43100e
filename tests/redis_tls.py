"""TLS before a Valkey that has none: certificates of the test's own, and a proxy that ends TLS."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_PROXY = Path(__file__).with_name("tls_proxy.py")


class Credentials(NamedTuple):
    """The files of an authority, a certificate, and its key."""

    ca: Path
    certificate: Path
    key: Path


class Authority:
    """A certificate authority of its own, whose certificate is `ca` in a directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])
        self.ca = directory / "ca.pem"
        constraints = x509.BasicConstraints(ca=True, path_length=None)
        builder = self._certificate(self._name, self._key).add_extension(constraints, critical=True)
        self._write(self.ca, builder)

    def issue(self, name: str, address: str = "127.0.0.1") -> tuple[Path, Path]:
        """Return the files of a certificate for an address, and of its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        place = x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))])
        certificate = self._directory / f"{name}.pem"
        self._write(certificate, self._certificate(subject, key).add_extension(place, False))
        key_file = self._directory / f"{name}.key"
        key_file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return certificate, key_file

    def server(self, name: str = "server", address: str = "127.0.0.1") -> Credentials:
        """Return what a server needs that lets in whom this authority knows."""
        return Credentials(self.ca, *self.issue(name, address))

    def options(self) -> str:
        """Return the options of a URL for a client that this authority knows."""
        certificate, key = self.issue("client")
        return f"ssl_ca_certs={self.ca}&ssl_certfile={certificate}&ssl_keyfile={key}"

    def _certificate(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey
    ) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
        )

    def _write(self, place: Path, builder: x509.CertificateBuilder) -> None:
        signed = builder.sign(self._key, hashes.SHA256())
        place.write_bytes(signed.public_bytes(serialization.Encoding.PEM))


@contextmanager
def tls_proxy(
    port: int, server: Credentials, *, at: int = 0, renamed: tuple[int, int] | None = None
) -> Iterator[int]:
    """Listen with TLS, at a port or any free one, and pass what comes on to a port without it.

    `renamed` ports of equal length are replaced in answers, where a server names another one that
    has a proxy of its own. The proxy ends when its standard input does, with this process at last.
    """
    words = [*server, at, port, *(renamed or ())]
    with subprocess.Popen(
        [sys.executable, str(_PROXY), *map(str, words)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as proxy:
        assert proxy.stdout is not None
        yield int(proxy.stdout.readline())
        proxy.communicate(timeout=10)
