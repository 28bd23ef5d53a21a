"""The pod's settings, read from the environment once."""

import math
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from service.batching.queue import Limits
from service.engine.recipes import AUTO, CHOICES
from service.errors import SettingsError
from service.models.load import Source
from service.pod.faults import VARIABLE as FAULT
from service.pod.faults import Fault
from service.text.normalise import VARIABLE as NORMALISE

MODEL, BIND, LOG_LEVEL = "BERTMESH_MODEL", "BERTMESH_BIND", "BERTMESH_LOG_LEVEL"
GRPC_BIND = "BERTMESH_GRPC_BIND"
ADMIN_BIND = "BERTMESH_ADMIN_BIND"
METRICS_BIND = "BERTMESH_METRICS_BIND"
SHADOW_TEXTS = "BERTMESH_SHADOW_TEXTS"
ENGINE = "BERTMESH_ENGINE"
LOCAL_CACHE = "BERTMESH_CACHE_LOCAL_BYTES"
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
MAX_DEADLINE_S = 600.0
_FAREWELL_S, _RESERVE_S = 30, 5
"""What a pod that ends gives to those it still serves: so long at least, or a request's time and more."""
CGROUP = Path("/sys/fs/cgroup/cpu.max")
LOCAL_BYTES = 32 << 20
"""18,000 vectors of 768 numbers, and little beside the 384 MiB of the smallest pod."""


@dataclass(frozen=True)
class Settings:
    """What a pod is told. ``version`` renames the model's own version, for drills."""

    model: str
    models_dir: Path
    cache_dir: Path
    bind: str = "127.0.0.1:8000"
    grpc_bind: str | None = None
    admin_bind: str | None = None
    """Where models are put in service; nowhere, unless it is set."""
    metrics_bind: str | None = None
    """Where metrics are, and then nowhere else; on the serving port unless it is set."""
    version: str | None = None
    pod: str = "pod"
    redis_url: str | None = None
    redis_timeout_s: float = 0.005
    cache_ttl_s: int = 3600
    cache_local_bytes: int = LOCAL_BYTES
    normalise: tuple[str, ...] = ()
    engine: str = AUTO
    """What computes: auto, openvino, torch, or the recipe of a conversion."""
    threads: int = 1
    deadline_s: float = 4.5  # below the route's timeout of 5 s, so that the pod answers first
    drain_s: float = 1.0
    bake_s: float = 0.0
    """How long a former model is kept after a swap; 0 keeps it until it is freed."""
    limits: Limits = field(default_factory=Limits)
    fault: Fault | None = None
    shadow_texts: bool = False
    """Whether the texts of disagreements are kept; else only their lengths and digests are."""
    log_level: str = "INFO"

    @property
    def source(self) -> Source:
        """What concerns the loading of models."""
        return Source(self.model, self.models_dir, self.cache_dir, self.engine, self.threads)

    @property
    def grace_s(self) -> int:
        """Seconds that a pod takes at most to end: a drain, in which requests are welcome, and their time."""
        return math.ceil(self.drain_s + max(_FAREWELL_S, self.deadline_s + _RESERVE_S))

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Self:
        """Read the settings.

        Raises:
            SettingsError: A variable is missing or out of range.
        """
        home = Path(env.get("XDG_CACHE_HOME") or Path(env.get("HOME") or "/tmp") / ".cache")  # noqa: S108 - last resort
        return cls(
            model=_model(env),
            models_dir=Path(env.get("BERTMESH_MODELS_DIR") or Path(__file__).parents[2] / "models"),
            cache_dir=Path(env.get("BERTMESH_CACHE_DIR") or home / "bertmesh" / "models"),
            bind=_address(BIND, env.get(BIND) or "127.0.0.1:8000"),
            grpc_bind=_address(GRPC_BIND, env[GRPC_BIND]) if env.get(GRPC_BIND) else None,
            admin_bind=_own_address(ADMIN_BIND, env),
            metrics_bind=_own_address(METRICS_BIND, env),
            version=env.get("BERTMESH_VERSION") or None,
            pod=env.get("BERTMESH_POD") or socket.gethostname(),
            redis_url=env.get("BERTMESH_REDIS_URL") or None,
            redis_timeout_s=_number(env, "BERTMESH_REDIS_TIMEOUT_MS", 5, 1, 1000) / 1000,
            cache_ttl_s=int(_number(env, "BERTMESH_CACHE_TTL_S", 3600, 1, 30 * 86400)),
            cache_local_bytes=int(_number(env, LOCAL_CACHE, LOCAL_BYTES, 0, 1 << 40)),
            normalise=tuple(name.strip() for name in env.get(NORMALISE, "").split(",") if name.strip()),
            engine=_engine(env),
            threads=int(_number(env, "BERTMESH_THREADS", cpu_quota(CGROUP), 1, 1024)),
            deadline_s=_number(env, "BERTMESH_DEADLINE_S", 4.5, 0.01, MAX_DEADLINE_S),
            bake_s=_number(env, "BERTMESH_BAKE_S", 0, 0, 7 * 86400),
            drain_s=_number(env, "BERTMESH_DRAIN_S", 1.0, 0, 60),
            limits=_limits(env),
            fault=_fault(env),
            shadow_texts=_flag(env, SHADOW_TEXTS),
            log_level=_log_level(env),
        )


def cpu_quota(cpu_max: Path) -> int:
    """Return the whole CPUs that this process may use: the cgroup's quota, else its affinity."""
    available = len(os.sched_getaffinity(0))
    try:
        quota, period = cpu_max.read_text(encoding="ascii").split()
        return max(1, min(available, math.ceil(int(quota) / int(period))))
    except (OSError, ValueError):  # no cgroup v2 here, or "max": no quota
        return available


def _model(env: Mapping[str, str]) -> str:
    model = env.get(MODEL)
    if not model:
        raise SettingsError(
            MODEL, seen="", needed="a model", do="set it to name:version, a folder or hf://<hub id>"
        )
    return model


def _address(name: str, bind: str) -> str:
    host, _, port = bind.rpartition(":")
    if not host or not port.isdigit() or int(port) >= 2**16:
        raise SettingsError(name, seen=bind, needed="host:port", do="write it like 127.0.0.1:8000")
    return bind


def _own_address(name: str, env: Mapping[str, str]) -> str | None:
    """Return an address whose port serves nothing else, if it is set."""
    if not env.get(name):
        return None
    bind = _address(name, env[name])
    others = [
        other for other in (BIND, GRPC_BIND, ADMIN_BIND, METRICS_BIND) if other != name and env.get(other)
    ]
    if any(port_of(env[other]) == port_of(bind) for other in others):
        raise SettingsError(
            name, seen=bind, needed="a port of its own", do=f"use another than {', '.join(others)}"
        )
    return bind


def port_of(address: str) -> int:
    """Return the port of host:port."""
    return int(address.rpartition(":")[2])


def _limits(env: Mapping[str, str]) -> Limits:
    default = Limits()
    return Limits(
        batch_tokens=int(_number(env, "BERTMESH_BATCH_TOKENS", default.batch_tokens, 1, 10**6)),
        queue_tokens=int(_number(env, "BERTMESH_QUEUE_TOKENS", default.queue_tokens, 1, 10**7)),
        queue_items=int(_number(env, "BERTMESH_QUEUE_ITEMS", default.queue_items, 1, 10**6)),
    )


def _fault(env: Mapping[str, str]) -> Fault | None:
    text = env.get(FAULT)
    if not text:
        return None
    if env.get("BERTMESH_HOME_KIND") != "local":
        raise SettingsError(
            FAULT,
            seen=text,
            needed="BERTMESH_HOME_KIND=local",
            do="faults exist only in the local mesh: unset it",
        )
    return Fault.parse(text)


def _engine(env: Mapping[str, str]) -> str:
    engine = env.get(ENGINE) or AUTO
    if engine not in CHOICES:
        raise SettingsError(
            ENGINE, seen=engine, needed=f"one of {', '.join(CHOICES)}", do="change it, or unset it for auto"
        )
    return engine


def _flag(env: Mapping[str, str], name: str) -> bool:
    text = env.get(name, "")
    if text not in ("", "0", "1"):
        raise SettingsError(name, seen=text, needed="1 or 0", do="change or unset it")
    return text == "1"


def _log_level(env: Mapping[str, str]) -> str:
    level = env.get(LOG_LEVEL) or "INFO"
    if level.upper() not in LOG_LEVELS:
        raise SettingsError(
            LOG_LEVEL, seen=level, needed="a log level", do=f"use one of {', '.join(LOG_LEVELS)}"
        )
    return level.upper()


def _number(env: Mapping[str, str], name: str, default: float, low: float, high: float) -> float:
    text = env.get(name) or str(default)
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not low <= value <= high:
        raise SettingsError(
            name, seen=text, needed=f"a number from {low:g} to {high:g}", do="change or unset it"
        )
    return value
