"""A Kafka that asks who is there: TLS, SCRAM and ACLs, with certificates of its own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import ClassVar, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from processor.local.java import SMALL_JVM
from processor.local.kafka import LocalKafka

ADMIN: Final = "admin"
PROCESSOR: Final = "processor"
MECHANISM: Final = "SCRAM-SHA-512"
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Certificates:
    """What a broker shows and what its clients trust, as PEM files."""

    authority: Path
    keystore: Path
    """The broker's key and its certificate, in one file."""


def _certify(made: Certificates) -> None:
    """Make an authority and a certificate for 127.0.0.1."""
    signer, own = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority = _named("test authority")
    issued = (
        _certificate(authority, authority, signer.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(signer, hashes.SHA256())
    )
    address = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    broker = (
        _certificate(_named("broker"), authority, own.public_key())
        .add_extension(address, critical=False)
        .sign(signer, hashes.SHA256())
    )
    made.authority.write_bytes(issued.public_bytes(Encoding.PEM))
    key = own.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    made.keystore.write_bytes(
        key + broker.public_bytes(Encoding.PEM) + issued.public_bytes(Encoding.PEM)
    )


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _DAY)
        .not_valid_after(now + _DAY)
    )


class SecuredKafka(LocalKafka):
    """A local Kafka whose clients need TLS, a user and ACLs.

    Passwords are by user. Whoever knows directory, port and passwords can make one to connect to.
    """

    listener: ClassVar[str] = "CLIENTS"

    def __init__(self, data_dir: Path, port: int, passwords: Mapping[str, str]) -> None:
        self.passwords = dict(passwords)
        self.certificates = Certificates(data_dir / "authority.pem", data_dir / "broker.pem")
        jaas = (
            "org.apache.kafka.common.security.scram.ScramLoginModule required "
            f'username="{ADMIN}" password="{self.passwords[ADMIN]}";'
        )
        super().__init__(
            data_dir,
            port,
            jvm_options=SMALL_JVM,
            properties={
                "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
                "inter.broker.listener.name": "CLIENTS",
                # Broker and controller are one process: nobody is to be kept out between them.
                "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,CLIENTS:SASL_SSL",
                "listener.name.clients.sasl.enabled.mechanisms": MECHANISM,
                f"listener.name.clients.{MECHANISM.lower()}.sasl.jaas.config": jaas,
                "sasl.mechanism.inter.broker.protocol": MECHANISM,
                "ssl.keystore.location": str(self.certificates.keystore),
                "ssl.keystore.type": "PEM",
                "ssl.truststore.location": str(self.certificates.authority),
                "ssl.truststore.type": "PEM",
                "super.users": f"User:{ADMIN};User:ANONYMOUS",
            },
        )

    def client(self, user: str = ADMIN) -> dict[str, str]:
        """Return the properties of a user's clients; the administrator's may do anything."""
        return {
            "bootstrap.servers": self.bootstrap_servers,
            "security.protocol": "SASL_SSL",
            "ssl.ca.location": str(self.certificates.authority),
            "sasl.mechanism": MECHANISM,
            "sasl.username": user,
            "sasl.password": self.passwords[user],
        }

    def _prepare(self) -> None:
        _certify(self.certificates)
        super()._prepare()

    def _users(self) -> Sequence[str]:
        users = self.passwords.items()
        return [
            part
            for name, password in users
            for part in ("--add-scram", f"{MECHANISM}=[name={name},password={password}]")
        ]
