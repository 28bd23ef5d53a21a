"""The certificates of a control plane: one authority, and a pair of files for each that it signs."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFE: Final = timedelta(days=2)
RSA_BITS: Final = 2048

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True)
class Pair:
    """The files of a certificate and of its private key, in PEM."""

    certificate: Path
    key: Path

    @property
    def user(self) -> dict[str, str]:
        """The pair as a kubeconfig names it."""
        return {"client-certificate": str(self.certificate), "client-key": str(self.key)}


class Authority:
    """Signs certificates; all files are in ``folder``, which must be there."""

    def __init__(self, folder: Path) -> None:
        """Make the authority's own certificate."""
        self.folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name("bertmesh-tests")
        ca = x509.BasicConstraints(ca=True, path_length=None)
        usage = _usage(signs=True)
        unsigned = _builder(self._name, self._name, self._key).add_extension(ca, critical=True)
        signed = unsigned.add_extension(usage, critical=True).sign(self._key, hashes.SHA256())
        self.files = self._write("ca", signed, self._key)

    def issue(self, file: str, user: str, *, groups: Sequence[str] = (), names: Sequence[str] = ()) -> Pair:
        """Sign a certificate for the client ``user`` in ``groups``; with ``names`` it may serve as those too.

        ``names`` are DNS names and IP addresses; ``file`` is what the files are called.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        uses = [ExtendedKeyUsageOID.CLIENT_AUTH, *([ExtendedKeyUsageOID.SERVER_AUTH] if names else [])]
        builder = (
            _builder(_name(user, groups), self._name, key)
            .add_extension(_usage(signs=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(uses), critical=False)
        )
        if names:
            alternatives = x509.SubjectAlternativeName([_general(name) for name in names])
            builder = builder.add_extension(alternatives, critical=False)
        return self._write(file, builder.sign(self._key, hashes.SHA256()), key)

    def _write(self, name: str, certificate: x509.Certificate, key: PrivateKey) -> Pair:
        pair = Pair(self.folder / f"{name}.crt", self.folder / f"{name}.key")
        pair.certificate.write_bytes(certificate.public_bytes(Encoding.PEM))
        _write_key(pair.key, key)
        return pair


def token_keys(folder: Path) -> tuple[Path, Path]:
    """Make the pair that service accounts' tokens are signed with; return the private and the public file."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS)
    private, public = folder / "tokens.key", folder / "tokens.pub"
    _write_key(private, key)
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return private, public


def _write_key(file: Path, key: PrivateKey) -> None:
    file.touch(mode=0o600)
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def _name(user: str, groups: Sequence[str] = ()) -> x509.Name:
    organizations = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
    return x509.Name([*organizations, x509.NameAttribute(NameOID.COMMON_NAME, user)])


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _builder(subject: x509.Name, issuer: x509.Name, key: PrivateKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + LIFE)
    )


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=True,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )
