"""BentoML with adaptive batches: features by torch in float32."""

import bentoml
from torch_features import TorchFeatures


@bentoml.service(workers=1, traffic={"timeout": 60, "max_concurrency": 64})
class Features:
    """One worker, one model."""

    def __init__(self) -> None:
        self._features = TorchFeatures()

    @bentoml.api(batchable=True, max_batch_size=32, max_latency_ms=60_000)
    def features(self, texts: list[str]) -> list[list[float]]:
        """Return a vector a text."""
        return self._features(texts)
