"""Limits of the connections to each version: the ``spec.routing.connections`` of a ModelRollout."""

from typing import Annotated

from pydantic import Field

from canary.resource.fields import Duration, Part, Percent, seconds
from mesh.policy import Outlier, Pool

Count = Annotated[int, Field(ge=1, le=1_000_000)]


class Ejection(Part):
    """When a pod gets no requests for a while."""

    after: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=5, description="5xx one after the other. Overload is 429 and does not count."
    )
    interval: Duration = Field(default="5s", description="Time between looks at who is to be ejected.")
    time: Duration = Field(default="15s", description="How long the first time; longer each time after.")
    max_percent: Percent = Field(default=50, description="Share of the pods that may be ejected at once.")


class Connections(Part):
    """Limits of the connections to each version."""

    max_connections: Count = Field(default=256, description="Connections that one proxy opens to a version.")
    max_pending: Count = Field(default=256, description="Requests that wait for a connection.")
    max_requests: Count = Field(default=1024, description="Requests under way.")
    ejection: Ejection = Field(
        default_factory=Ejection, description="When a pod gets no requests for a while."
    )
    warmup: Duration | None = Field(
        default=None,
        description="Time in which a new pod's share grows to its full size. Left out: it gets it at once.",
    )

    def pool(self) -> Pool:
        """Return the limits as the renderers take them."""
        return Pool(self.max_connections, self.max_pending, self.max_requests)

    def outlier(self) -> Outlier:
        """Return the ejection as the renderers take it.

        Raises:
            InvalidMesh: a time is zero.
        """
        given = self.ejection
        return Outlier(given.after, seconds(given.interval), seconds(given.time), given.max_percent)

    def warmup_s(self) -> float | None:
        """Return the time of the warm-up in seconds."""
        return seconds(self.warmup) if self.warmup else None
