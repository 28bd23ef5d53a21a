"""What a measured ratio must be and is to be."""

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Bound:
    """Of a ratio: a least where more is better, else a most. ``against`` is whose number it is to."""

    what: str
    must: float
    aim: float
    more_is_better: bool = False
    against: str = ""

    def kept(self, number: float, limit: float) -> bool:
        """Whether a number is on the right side of a limit."""
        return number >= limit if self.more_is_better else number <= limit


@dataclass(frozen=True)
class Verdict:
    """A bound and the number that was measured."""

    bound: Bound
    number: float

    @property
    def met(self) -> str:
        """Which limit it keeps: aim, must or none."""
        if self.bound.kept(self.number, self.bound.aim):
            return "aim"
        return "must" if self.bound.kept(self.number, self.bound.must) else "MISSED"

    def __str__(self) -> str:
        bound = self.bound
        return (
            f"{bound.what:46} {self.number:7.2f} x {bound.against:22}"
            f" must {bound.must:4} aim {bound.aim:4}  {self.met}"
        )

    def as_dict(self) -> dict[str, object]:
        """Return it fit for JSON."""
        return asdict(self.bound) | {"number": round(self.number, 3), "met": self.met}
