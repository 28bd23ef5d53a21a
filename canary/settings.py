"""What the environment says to this package; read once, at the edge."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True)
class Settings:
    """How the controller finds its measurements (seconds).

    ``service`` is the fully qualified Service name that Istio's metrics carry. ``window_s`` must hold at
    least two scrapes of Prometheus.
    """

    service: str = "bert.default.svc.cluster.local"
    window_s: float = 60.0
    timeout_s: float = 3.0

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Read BERTMESH_SERVICE and BERTMESH_METRICS_WINDOW.

        Raises:
            ValueError: a duration is not a positive number of seconds.
        """
        return cls(
            service=environment.get("BERTMESH_SERVICE", cls.service),
            window_s=_seconds(environment, "BERTMESH_METRICS_WINDOW", cls.window_s),
        )


def _seconds(environment: Mapping[str, str], name: str, default: float) -> float:
    text = environment.get(name, str(default))
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not value > 0:
        message = f"{name} must be a positive number of seconds, got {text!r}"
        raise ValueError(message)
    return value
