"""A check is a pure function from an inventory to sightings; its docstring is its page in the reference."""

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from doctor.model import Finding, Inventory, Place, Severity, Sighting

Look = Callable[[Inventory], Iterator[Sighting]]
CLUSTERS: Final = frozenset({Place.FILES, Place.CLUSTER})
ANYWHERE: Final = frozenset(Place)


@dataclass(frozen=True)
class Check:
    """A check: its stable code, how bad its findings are unless they say otherwise, and where it applies.

    The docstring of ``look`` has three paragraphs: the title, why it bites, and how to mend it.
    """

    code: str
    severity: Severity
    look: Look
    places: frozenset[Place]

    @property
    def paragraphs(self) -> tuple[str, ...]:
        """The docstring's paragraphs, each on one line."""
        told = inspect.getdoc(self.look) or ""
        return tuple(" ".join(part.split()) for part in told.split("\n\n"))

    @property
    def title(self) -> str:
        """What it finds."""
        return self.paragraphs[0].rstrip(".")

    @property
    def why(self) -> str:
        """Why that bites."""
        return self.paragraphs[1]

    @property
    def fix(self) -> str:
        """How it is mended in general."""
        return self.paragraphs[2]

    def findings(self, inventory: Inventory) -> Iterator[Finding]:
        """Yield what this check finds."""
        for seen in self.look(inventory) if inventory.place in self.places else ():
            yield Finding(
                code=self.code,
                title=self.title,
                severity=seen.severity or self.severity,
                object=str(seen.object),
                source=seen.object.source,
                field=seen.field,
                seen=seen.seen,
                why=self.why,
                fix=seen.fix,
            )


REGISTERED: dict[str, Check] = {}


def check(code: str, severity: Severity, places: frozenset[Place] = CLUSTERS) -> Callable[[Look], Look]:
    """Register a function as the check with this code."""

    def register(look: Look) -> Look:
        if code in REGISTERED:
            message = (
                f"{code} is taken by {REGISTERED[code].look.__name__}: codes never change, take a new one"
            )
            raise ValueError(message)
        REGISTERED[code] = Check(code, severity, look, places)
        return look

    return register
