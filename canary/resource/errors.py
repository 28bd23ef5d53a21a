"""What can be wrong with a ModelRollout."""

from collections.abc import Sequence

from canary.errors import CanaryError


class InvalidResource(CanaryError):
    """A ModelRollout that breaks a rule."""

    def __init__(self, name: str, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__(f"ModelRollout {name} cannot be used: {'; '.join(self.problems)}")
