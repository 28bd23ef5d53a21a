"""Which Redis a URL names: one server, the master that Sentinels name, or a cluster.

    redis://user:password@host:port/db             rediss:// with TLS; unix:///path?db=0
    redis+sentinel://host:port,host:port/name/db   Sentinels, and the name of the master; rediss+sentinel://
    redis+cluster://host:port,host:port            nodes to begin with; rediss+cluster://

User and password are those of the servers; ``?sentinel_username=`` and ``?sentinel_password=`` are the
Sentinels'. Further options are the library's (https://redis.readthedocs.io/en/stable/connections.html), such
as ``?ssl_ca_certs=/file``.
"""

import re
from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import SplitResult, urlsplit

from redis.backoff import NoBackoff
from redis.cluster import ClusterNode, RedisCluster
from redis.connection import AbstractConnection, Connection, SSLConnection, parse_url
from redis.exceptions import RedisError
from redis.retry import Retry
from redis.sentinel import Sentinel, SentinelConnectionPool

from service.cache.cluster import Cluster
from service.cache.connections import ENTRY_S, Connections, PunctualParser, Redis
from service.errors import SettingsError

VARIABLE = "BERTMESH_REDIS_URL"
_PORT, _SENTINEL_PORT = 6379, 26379
_SENTINELS = ("redis+sentinel", "rediss+sentinel")
_CLUSTERS = ("redis+cluster", "rediss+cluster")
_LIMITS = {"socket_timeout": ENTRY_S, "socket_connect_timeout": ENTRY_S}
_ALL = {"protocol": 2, "driver_info": None}
"""Logging in takes no round trip that is not needed."""
_ONCE = {"retry": Retry(NoBackoff(), 0)}
_SENTINELS_OWN = ("sentinel_username", "sentinel_password")

Options = dict[str, Any]


def redis_at(url: str, limit_s: float) -> Redis:
    """Return the Redis at a URL, of which each exchange has ``limit_s`` seconds; nothing is sent yet.

    Raises:
        SettingsError: The URL names no Redis.
    """
    try:
        parts = urlsplit(url)
        if parts.scheme in _CLUSTERS:
            return Cluster(_cluster(parts), limit_s)
        make = _mastered(parts) if parts.scheme in _SENTINELS else _single(url, parts)
        make()  # not connected yet: this is where an option that there is not shows
    except (ValueError, TypeError, RedisError) as error:
        needed = "redis://host:port/db, or another URL of docs/reference/pod.md,"
        raise SettingsError(
            VARIABLE, seen=_shown(url), needed=needed, do=f"mend it ({_why(url, error)})"
        ) from None
    return Connections(make, limit_s)


def _shown(url: str) -> str:
    """Return a URL without the passwords in it, also where a wrong letter in one cuts the URL short."""
    return re.sub(r"((?:^|[?&_])password=)[^&#]*", r"\1...", re.sub(r"//.*@", "//...@", url))


def _why(url: str, error: Exception) -> str:
    before = url.partition("://")[2].rpartition("@")[0]
    if isinstance(error, ValueError) and re.search(r"[/?#]", before):  # it may quote the password
        return "if the password has / ? or # in it, write %2F %3F or %23"
    return str(error)


def _single(url: str, parts: SplitResult) -> Callable[[], AbstractConnection]:
    if not (parts.path if parts.scheme == "unix" else parts.hostname):
        message = "it names no host"
        raise ValueError(message)
    if parts.scheme != "unix":
        _database(parts.path.strip("/"))
    options = parse_url(url)  # as it came: put together again, unix:///path is unix:/path
    return partial(options.pop("connection_class", Connection), **_own(options))


def _mastered(parts: SplitResult) -> Callable[[], AbstractConnection]:
    name, _, db = parts.path.strip("/").partition("/")
    if not name:
        message = "the name of the master is missing: redis+sentinel://host:port/name"
        raise ValueError(message)
    options = _shared(parts) | {"db": _database(db)}
    own = {key.removeprefix("sentinel_"): options.pop(key) for key in _SENTINELS_OWN if key in options}
    secure = {key: value for key, value in options.items() if key.startswith("ssl")}
    sentinel = Sentinel(_hosts(parts, _SENTINEL_PORT), sentinel_kwargs=own | secure | _LIMITS | _ONCE)
    pool = SentinelConnectionPool(name, sentinel, **_own(options))
    # The pool knows how a connection is made; connections are kept here, see `Connections`.
    return lambda: pool.connection_class(**pool.connection_kwargs)


def _cluster(parts: SplitResult) -> Callable[[], RedisCluster]:
    if parts.path.strip("/") not in ("", "0"):
        message = "a cluster has the database 0 alone"
        raise ValueError(message)
    options = _shared(parts) | _LIMITS
    known = {key: value for key, value in options.items() if key != "ssl"}
    (SSLConnection if "ssl" in options else Connection)(
        **known
    )  # the cluster's client drops what it does not know
    nodes = _hosts(parts, _PORT)
    return lambda: RedisCluster(
        startup_nodes=[ClusterNode(host, port) for host, port in nodes],
        retry=Retry(NoBackoff(), 3),
        **options,
    )


def _shared(parts: SplitResult) -> Options:
    """Return what a URL of several hosts says besides them; ``ssl`` says that TLS is spoken."""
    user, at, _ = parts.netloc.rpartition("@")
    scheme = parts.scheme.partition("+")[0]
    options: Options = parse_url(parts._replace(scheme=scheme, netloc=f"{user}{at}host", path="").geturl())
    del options["host"]
    if options.pop("connection_class", None):
        options["ssl"] = True
    return _ALL | options


def _own(options: Options) -> Options:
    """Return the options of a connection, with what is this pod's to say."""
    return _ALL | options | _LIMITS | {"parser_class": PunctualParser}


def _hosts(parts: SplitResult, port: int) -> list[tuple[str, int]]:
    hosts = []
    for each in parts.netloc.rpartition("@")[2].split(","):
        one = urlsplit(f"//{each}")
        if not one.hostname:
            message = "it names no host"
            raise ValueError(message)
        hosts.append((one.hostname, one.port or port))
    return hosts


def _database(text: str) -> int:
    if not re.fullmatch(r"\d*", text):
        message = f"a database is a number, not {text!r}"
        raise ValueError(message)
    return int(text or 0)
