"""Redis as a store, against a real one, and against one that speaks nonsense."""

import re
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.cache.redis import RedisStore
from service.cache.redis_url import redis_at
from service.cache.store import Value
from service.errors import SettingsError, StoreDown
from tests.support.processes import redis_server

WORD = "s3:cret/"
PATIENT_S = 60.0


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with redis_server(tmp_path_factory.mktemp("redis")) as url:
        yield url


@pytest.mark.parametrize(
    "url",
    [
        *(
            "",
            "cache:6379",
            "http://cache",
            "redis://",
            "redis://c/x",
            "redis://c:99999",
            "redis://c?nonsense=1",
        ),
        *("redis+sentinel://c", "redis+sentinel:///main", "redis+sentinel://c/main?nonsense=1"),
        *("redis+cluster://c:x", "redis+cluster://c/3", "redis+cluster://c?nonsense=1", "redis+other://c"),
    ],
)
def test_what_names_no_redis_is_refused_before_the_pod_starts(url: str) -> None:
    with pytest.raises(SettingsError, match=r"BERTMESH_REDIS_URL is .* needed: mend it"):
        RedisStore(url, PATIENT_S)


def test_the_message_about_an_unusable_url_keeps_its_password() -> None:
    with pytest.raises(SettingsError) as refused:
        RedisStore("redis://me:hunter2@c/x", 1)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        "redis://:ge/heim@c/0",
        "redis://u:ge#heim@c:6379",
        "rediss://u:ge?heim@c/0",
        "redis://c/x?password=geheim",
        "redis+sentinel://c/?sentinel_password=geheim",
        "redis://u:geheim@c/0?nonsense=1",
    ],
)
def test_no_part_of_a_password_is_in_the_message_wherever_it_stands(url: str) -> None:
    with pytest.raises(SettingsError) as refused:
        RedisStore(url, PATIENT_S)
    assert not {"ge", "heim", "'ge'"} & set(re.findall(r"\w+", str(refused.value)))
    assert "geheim" not in str(refused.value)


def test_a_word_of_tls_that_there_is_not_is_refused_with_a_sentence() -> None:
    with pytest.raises(SettingsError, match="needed: mend it"):
        RedisStore("rediss://c?ssl_cert_reqs=nonsense", PATIENT_S)


def test_a_socket_is_reached_by_its_path(tmp_path: Path) -> None:
    path = str(tmp_path / "redis.sock")
    with socket.socket(socket.AF_UNIX) as listener, ThreadPoolExecutor(1) as pool:
        listener.bind(path)
        listener.listen()
        asked = pool.submit(RedisStore(f"unix://{path}?db=0", PATIENT_S).get, ["a"])
        connection, _ = listener.accept()
        with connection:
            connection.recv(1000)
            connection.sendall(b"$1\r\nx\r\n")
            assert asked.result() == [b"x"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(values=st.dictionaries(st.text(st.characters(codec="utf-8"), min_size=1), st.binary(max_size=200_000)))
def test_what_is_put_is_what_is_got(url: str, values: dict[str, bytes]) -> None:
    store = RedisStore(url, PATIENT_S)
    if values:
        store.put({name: Value(content, 60) for name, content in values.items()})
        assert store.get([*values, "nothing\r\nhere"]) == [*values.values(), None]


def test_many_threads_share_few_connections_and_get_their_own_answers(url: str) -> None:
    store = RedisStore(f"{url}?client_name=shared", PATIENT_S)
    names = [f"mine:{number}" for number in range(200)]
    store.put({name: Value(name.encode(), 60) for name in names})
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda name: store.get([name]), names))
    assert found == [[name.encode()] for name in names]
    with redis.Redis.from_url(url) as client:
        names = [each["name"] for each in client.client_list()]
    assert 0 < names.count("shared") <= 8, "a connection for each thread at most"


def test_a_password_and_a_database_are_asked_for_and_given(url: str) -> None:
    with redis.Redis.from_url(url) as client:
        client.execute_command("ACL", "SETUSER", "pod", "on", f">{WORD}", "~*", "+@all")
        client.execute_command("CONFIG", "SET", "requirepass", WORD)
        client.auth(WORD)
        try:
            place = url.removeprefix("redis://").removesuffix("/0")
            for who in ("", "pod"):
                store = RedisStore(f"redis://{who}:s3%3Acret%2F@{place}/1", PATIENT_S)
                store.put({"here": Value(b"1", 60)})
                assert store.get(["here"]) == [b"1"]
            with pytest.raises(StoreDown, match="Authentication required"):
                RedisStore(url, PATIENT_S).get(["here"])
        finally:
            client.execute_command("CONFIG", "SET", "requirepass", "")


def test_a_refused_command_fails_alone_and_its_connection_goes_on(url: str) -> None:
    asked = redis_at(url, PATIENT_S)
    (number,) = asked.ask(("CLIENT ID",))
    with pytest.raises(StoreDown, match="unknown command"):
        asked.ask(("SET", "kept", "1"), ("NONSENSE",), ("GET", "kept"))
    assert asked.ask(("GET", "kept"), ("DEL", "kept"), ("CLIENT ID",)) == [b"1", 1, number]
    asked.close()


def test_a_restarted_redis_costs_no_call(tmp_path: Path) -> None:
    with redis_server(tmp_path) as url:
        store = RedisStore(url, PATIENT_S)
        assert store.get(["a"]) == [None]
        with redis.Redis.from_url(url) as client:
            client.client_kill_filter(skipme=True)
        assert store.get(["a"]) == [None]
    with pytest.raises(StoreDown):
        store.get(["a"])


@pytest.mark.parametrize(
    "said", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"$x\r\n", b"*2\r\n$1\r\na\r\n", b"", b"+"]
)
def test_a_server_that_speaks_no_redis_or_breaks_off_is_down(said: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor(1) as pool:

        def speak() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(said)

        done = pool.submit(speak)
        with pytest.raises(StoreDown):
            RedisStore(f"redis://127.0.0.1:{server.getsockname()[1]}", PATIENT_S).get(["a"])
        done.result()


def test_a_silent_redis_is_given_up_after_the_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, pytest.raises(StoreDown):
        RedisStore(f"redis://127.0.0.1:{server.getsockname()[1]}", 0.005).get(["a"])
