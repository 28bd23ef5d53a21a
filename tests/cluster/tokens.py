"""An issuer of tokens (JWT) and certificates, as a scenario with them needs one."""

import base64
import datetime as dt
import json
from dataclasses import dataclass, field
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

FAR: Final = 4102444800
"""2100-01-01, in Unix seconds."""


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _number(value: int) -> str:
    return _text(value.to_bytes((value.bit_length() + 7) // 8, "big"))


@dataclass(frozen=True)
class Issuer:
    """Whose tokens are for ``audience``; it has a key of its own."""

    name: str
    audience: str
    _key: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 2048))

    @property
    def keys(self) -> str:
        """Its public keys (JWKS) as JSON."""
        public = self._key.public_key().public_numbers()
        key = {"kty": "RSA", "kid": "1", "alg": "RS256", "n": _number(public.n), "e": _number(public.e)}
        return json.dumps({"keys": [key]})

    def token(self, subject: str) -> str:
        """Return a token that holds until 2100."""
        head = {"alg": "RS256", "kid": "1", "typ": "JWT"}
        claims = {"iss": self.name, "aud": self.audience, "sub": subject, "exp": FAR}
        text = ".".join(_text(json.dumps(part).encode()) for part in (head, claims))
        return f"{text}.{_text(self._key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256()))}"

    def certificate(self, host: str) -> dict[str, str]:
        """Return what a TLS Secret for ``host`` holds."""
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
        made = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self._key.public_key())
            .serial_number(1)
            .not_valid_before(dt.datetime.fromtimestamp(0, dt.UTC))
            .not_valid_after(dt.datetime.fromtimestamp(FAR, dt.UTC))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        private = self._key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return {
            "tls.crt": made.public_bytes(serialization.Encoding.PEM).decode(),
            "tls.key": private.decode(),
        }
