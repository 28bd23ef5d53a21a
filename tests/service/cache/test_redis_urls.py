"""Redis behind Sentinels, as a cluster and with TLS: real servers, found by their URL."""

import datetime as dt
import ipaddress
import socket
import ssl
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path

import pytest
import redis
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from bertmesh.local.ports import free_port
from bertmesh.local.processes import Child
from mesh.local.binaries import find_redis
from mesh.local.settings import Settings
from service.cache.redis import RedisStore
from service.cache.store import Value
from service.errors import StoreDown
from service.shadow.redis import RedisAnswerStore
from tests.support.processes import pings, redis_server, running, wait_until

pytestmark = pytest.mark.slow
PATIENT_S = 60.0
NAMES = [f"answer:{number}" for number in range(20)]


@contextmanager
def server(folder: Path, port: int, *words: str) -> Iterator[Child]:
    folder.mkdir(exist_ok=True)
    binary = str(find_redis(Settings.from_environment({})))
    words = (binary, *words, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder))
    ready = pings(f"redis://127.0.0.1:{port}")
    with running("redis", words, folder=folder, ready=ready) as child:
        yield child


def keeps(store: RedisStore, names: Sequence[str] = NAMES) -> bool:
    """Tell whether what is put into a store is got from it; False while it is away."""
    with suppress(StoreDown):
        store.put({name: Value(name.encode(), 60) for name in names})
        return store.get([*names, "nothing"]) == [*(name.encode() for name in names), None]
    return False


def test_the_master_is_found_through_sentinels_also_after_it_has_died(tmp_path: Path) -> None:
    first, second, watch = free_port(), free_port(), free_port()
    unsaved = ("--save", "")
    conf = tmp_path / "sentinel.conf"
    conf.write_text(
        f"sentinel monitor main 127.0.0.1 {first} 1\n"
        "sentinel down-after-milliseconds main 300\nsentinel failover-timeout main 3000\n"
    )
    with ExitStack() as stack:
        master = stack.enter_context(server(tmp_path / "first", first, *unsaved))
        follow = ("--replicaof", f"127.0.0.1 {first}")
        stack.enter_context(server(tmp_path / "second", second, *unsaved, *follow))
        stack.enter_context(server(tmp_path / "watch", watch, str(conf), "--sentinel"))
        sentinel = stack.enter_context(redis.Redis(port=watch))
        wait_until(lambda: sentinel.sentinel_slaves("main"), "the Sentinel knows the replica")
        store = RedisStore(f"redis+sentinel://127.0.0.1:1,127.0.0.1:{watch}/main/0", PATIENT_S)
        assert keeps(store)
        master.kill()
        wait_until(lambda: keeps(store), "the replica has become the master")
        assert sentinel.sentinel_get_master_addr_by_name("main")[1] == second


def test_a_cluster_keeps_each_answer_where_it_belongs(tmp_path: Path) -> None:
    ports = [free_port(), free_port()]
    with ExitStack() as stack:
        for port in ports:
            words = ("--save", "", "--cluster-enabled", "yes", "--cluster-port", str(free_port()))
            stack.enter_context(server(tmp_path / str(port), port, *words))
        nodes = [stack.enter_context(redis.Redis(port=port)) for port in ports]
        for node, slots in zip(nodes, ((0, 8191), (8192, 16383)), strict=True):
            node.execute_command("CLUSTER ADDSLOTSRANGE", *slots)
        bus = nodes[1].config_get("cluster-port")["cluster-port"]
        nodes[0].execute_command("CLUSTER MEET", "127.0.0.1", ports[1], bus)
        for node in nodes:
            wait_until(partial(whole, node), "the cluster is whole")
        url = f"redis+cluster://127.0.0.1:{ports[0]}"
        store = RedisStore(url, PATIENT_S)
        wait_until(lambda: keeps(store), "the cluster answers")
        assert all(node.dbsize() > 0 for node in nodes), "each has its share"
        board = RedisAnswerStore(url, PATIENT_S)
        board.post({"a": b"1", "b": b"2"}, 60)
        assert board.take(["b", "a", "b"]) == [b"2", b"1", None]
        board.close()


def whole(node: redis.Redis) -> bool:
    """Tell whether all slots have a node that answers."""
    return bool(node.cluster("INFO")["cluster_state"] == "ok")


def certificate(folder: Path) -> tuple[Path, Path]:
    """Write a certificate of 127.0.0.1, signed by itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "redis")])
    now = dt.datetime.now(dt.UTC)
    host = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(host, critical=False)
        .sign(key, hashes.SHA256())
    )
    signed, secret = folder / "signed.pem", folder / "key.pem"
    pem = serialization.Encoding.PEM
    signed.write_bytes(made.public_bytes(pem))
    unlocked = serialization.NoEncryption()
    secret.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, unlocked))
    return signed, secret


@contextmanager
def unwrapping(signed: Path, secret: Path, target: int) -> Iterator[int]:
    """Speak TLS in front of a server, as the one in the wheel cannot; yield the port."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(signed, secret)

    def serve(plain: socket.socket) -> None:
        with (
            suppress(OSError),
            context.wrap_socket(plain, server_side=True) as client,
            socket.create_connection(("127.0.0.1", target)) as behind,
        ):
            while asked := client.recv(1 << 20):
                behind.sendall(asked)
                client.sendall(behind.recv(1 << 20))

    def accept() -> None:
        with suppress(OSError):
            while True:
                threads.submit(serve, door.accept()[0])

    with ThreadPoolExecutor(8) as threads, socket.create_server(("127.0.0.1", 0)) as door:
        threads.submit(accept)
        try:
            yield door.getsockname()[1]
        finally:
            door.shutdown(socket.SHUT_RDWR)


def test_tls_is_spoken_with_a_redis_whose_certificate_is_known_and_with_no_other(tmp_path: Path) -> None:
    signed, secret = certificate(tmp_path)
    with redis_server(tmp_path / "redis") as url:
        plain = int(url.removesuffix("/0").rpartition(":")[2])
        with unwrapping(signed, secret, plain) as port:
            known = RedisAnswerStore(f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={signed}", PATIENT_S)
            known.post({"a": b"1"}, 60)
            assert known.take(["a"]) == [b"1"]
            known.close()
            with pytest.raises(StoreDown, match="certificate verify failed"):
                RedisStore(f"rediss://127.0.0.1:{port}/0", PATIENT_S).get(["a"])
