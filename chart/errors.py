"""What can be wrong with the chart's sources."""


class ChartError(Exception):
    """Base of this package's errors; the message says where, and what to do."""


class Undocumented(ChartError):
    """A value has no comment, or none that says what it may be."""

    def __init__(self, where: str, needed: str) -> None:
        super().__init__(f"values.yaml: {where} has no {needed}: write it in the comment above")
