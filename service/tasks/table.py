"""The tasks that a pod offers: the one place where a new one is named."""

from service.tasks import features, fill_mask, similarity
from service.tasks.endpoint import Endpoint

ENDPOINTS: dict[str, Endpoint] = {
    each.name: each for each in (fill_mask.ENDPOINT, similarity.ENDPOINT, features.ENDPOINT)
}
"""By the tasks' names."""
