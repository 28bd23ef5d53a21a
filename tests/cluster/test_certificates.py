"""The certificates, checked by TLS itself."""

import socket
import ssl
import threading
from pathlib import Path

import pytest

from tests.cluster.certificates import Authority, Pair


def greeted(authority: Authority, server: Pair, client: Pair, name: str) -> tuple[tuple[str, str], ...]:
    """Let ``client`` shake hands with ``server`` under ``name``; return the subject that the server sees."""
    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(authority.files.certificate))
    serving.verify_mode = ssl.CERT_REQUIRED
    serving.load_cert_chain(server.certificate, server.key)
    asking = ssl.create_default_context(cafile=str(authority.files.certificate))
    asking.load_cert_chain(client.certificate, client.key)
    ours, theirs = socket.socketpair()
    seen: list[tuple[tuple[str, str], ...]] = []

    def serve() -> None:
        with theirs, serving.wrap_socket(theirs, server_side=True) as wrapped:
            found = wrapped.getpeercert() or {}
            subject: tuple[tuple[tuple[str, str], ...], ...] = found["subject"]  # type: ignore[assignment] # a union
            seen.append(tuple(pair for group in subject for pair in group))

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with ours, asking.wrap_socket(ours, server_hostname=name):
            pass
    finally:
        thread.join()
    return seen[0]


@pytest.mark.parametrize("name", ["localhost", "10.96.0.1"])
def test_a_server_is_trusted_by_its_names_and_sees_user_and_groups(name: str, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    server = authority.issue("server", "kube-apiserver", names=["localhost", "10.96.0.1"])
    client = authority.issue("admin", "admin", groups=["system:masters"])
    seen = greeted(authority, server, client, name)
    assert seen == (("organizationName", "system:masters"), ("commonName", "admin"))


def test_private_keys_are_for_the_owner_alone(tmp_path: Path) -> None:
    assert Authority(tmp_path).files.key.stat().st_mode & 0o077 == 0
