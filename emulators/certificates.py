"""The certificate authority of one state folder, which signs certificates for the clouds' hosts."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
import threading
from dataclasses import dataclass, field
from pathlib import Path

import certifi
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tridock.emulators.place import write_whole

AUTHORITY_NAME = "Tridock emulated clouds"
#: Clients refuse leaves that live longer than 398 days (CA/Browser Forum, Baseline Requirements
#: 6.3.2); ours are made anew at every start anyway.
LEAF_DAYS = 30
AUTHORITY_DAYS = 365


@dataclass(frozen=True)
class Authority:
    """Signs certificates for the hosts that one emulator imitates.

    The key never leaves the folder, which only its owner can read. Nothing on this machine trusts
    the authority but the programs that are given `bundle` by the environment.

    Attributes
    ----------
    folder : Path
        Keeps the authority; the same folder gives the same one until it nears its end.
    """

    folder: Path
    _contexts: dict[str, ssl.SSLContext] = field(default_factory=dict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @classmethod
    def at(cls, folder: Path) -> Authority:
        """Read the authority of `folder`, or make one."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        authority = cls(folder)
        if not authority._is_usable():
            authority._make()
        write_whole(
            authority.bundle, Path(certifi.where()).read_bytes() + authority.ca.read_bytes()
        )
        return authority

    @property
    def ca(self) -> Path:
        """The authority's own certificate, PEM."""
        return self.folder / "ca.pem"

    @property
    def bundle(self) -> Path:
        """The public authorities and this one, PEM: for variables that replace a whole store."""
        return self.folder / "ca-bundle.pem"

    def context(self, host: str) -> ssl.SSLContext:
        """Return a server's TLS settings that clients of `host` accept; HTTP/1.1 before HTTP/2.

        Parameters
        ----------
        host : str
            A name or an IP address. One certificate serves all names below the same parent.
        """
        key = _names(host)[0]
        with self._lock:
            if key not in self._contexts:
                self._contexts[key] = self._context(host, key)
            return self._contexts[key]

    def _context(self, host: str, key: str) -> ssl.SSLContext:
        chain = self.folder / f"leaf-{key.replace('*', 'any').replace(':', '-')}.pem"
        chain.touch(mode=0o600)
        chain.write_bytes(self._leaf(host))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain)
        # The server's order decides: a client that speaks both is served as HTTP/1.1, and only
        # gRPC, which speaks nothing else, as HTTP/2.
        context.set_alpn_protocols(["http/1.1", "h2"])
        return context

    def _leaf(self, host: str) -> bytes:
        """Make a certificate: key, certificate and authority, in PEM."""
        key = ec.generate_private_key(ec.SECP256R1())
        signer = load_pem_private_key(self._key.read_bytes(), None)
        if not isinstance(signer, ec.EllipticCurvePrivateKey):
            raise TypeError(
                f"{self._key} does not hold an elliptic curve key: delete {self.folder}"
            )
        names = [_general_name(name) for name in _names(host)]
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
        certificate = (
            _certificate(host[:64], key.public_key(), LEAF_DAYS)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(usage, critical=False)
            .add_extension(identifier, critical=False)
            .sign(signer, hashes.SHA256())
        )
        return _pem(key) + certificate.public_bytes(Encoding.PEM) + self.ca.read_bytes()

    @property
    def _key(self) -> Path:
        return self.folder / "ca.key"

    def _is_usable(self) -> bool:
        if not (self._key.exists() and self.ca.exists()):
            return False
        end = x509.load_pem_x509_certificate(self.ca.read_bytes()).not_valid_after_utc
        return end - _now() > datetime.timedelta(days=2 * LEAF_DAYS)

    def _make(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        public = key.public_key()
        certificate = (
            _certificate(AUTHORITY_NAME, public, AUTHORITY_DAYS)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_SIGNING, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .sign(key, hashes.SHA256())
        )
        write_whole(self._key, _pem(key))
        write_whole(self.ca, certificate.public_bytes(Encoding.PEM))


_SIGNING = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)


def _certificate(
    subject: str, public: ec.EllipticCurvePublicKey, days: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(AUTHORITY_NAME))
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(_now() - datetime.timedelta(days=1))
        .not_valid_after(_now() + datetime.timedelta(days=days))
    )


def _names(host: str) -> list[str]:
    """Return what a certificate for `host` covers: its siblings too, so that few are made."""
    parent = host.partition(".")[2]
    if "." in parent and not _is_address(host):
        return [f"*.{parent}", parent]
    return [host]


def _general_name(name: str) -> x509.GeneralName:
    if _is_address(name):
        return x509.IPAddress(ipaddress.ip_address(name))
    return x509.DNSName(name)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
