"""A pod's part in comparing a canary's answers with the stable's: its connection, and what it counts."""

import time
from typing import Final

from service.pod.metrics import Metrics
from service.pod.settings import Settings
from service.shadow.comparer import Comparer
from service.shadow.mirrored import ShadowComparison
from service.shadow.redis import RedisAnswerStore
from service.tasks.agreement import Agreement

REDIS_TIMEOUT_S: Final = 0.25
"""No client waits for it."""


def shadow_of(settings: Settings, metrics: Metrics) -> ShadowComparison | None:
    """Return a pod's part in comparing; None without Redis, where the two sides would meet.

    Raises:
        SettingsError: The Redis URL is none that names a Redis.
    """
    if settings.redis_url is None:
        return None
    board = RedisAnswerStore(settings.redis_url, REDIS_TIMEOUT_S)
    return ShadowComparison(Comparer(board, Counted(metrics), time.time, settings.pod, settings.shadow_texts))


class Counted:
    """Counts comparisons in the pod's metrics."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def compared(self, canary: str, task: str, agreement: Agreement) -> None:
        """Count a copy that was compared."""
        metrics = self._metrics.shadow
        metrics.compared.labels(task, canary).inc()
        metrics.disagreed.labels(task, canary).inc(agreement.disagreed)
        metrics.flipped.labels(task, canary).inc(agreement.flipped)

    def unmatched(self, canary: str, copies: int) -> None:
        """Count copies whose note never came."""
        self._metrics.shadow.unmatched.labels(canary).inc(copies)

    def dropped(self, side: str, count: int) -> None:
        """Count what was not taken, or could not be delivered."""
        self._metrics.shadow.dropped.labels(side).inc(count)
