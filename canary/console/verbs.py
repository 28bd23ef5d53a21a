"""The buttons: which of them fit a rollout, and what each one asks before it does anything; pure."""

from dataclasses import dataclass
from typing import Final, Literal, get_args

from canary.console.errors import UnknownVerb
from canary.rollout.commands import Command, Order, Undo
from canary.rollout.model import Phase, Rollout

Name = Literal["pause", "resume", "promote", "abort", "undo"]
NAMES: Final[tuple[Name, ...]] = get_args(Name)
ON_THE_WAY: Final[tuple[Name, ...]] = ("pause", "resume", "promote", "abort")


@dataclass(frozen=True)
class Verb:
    """A button: its word, its question, and what will happen then."""

    name: Name
    label: str
    question: str
    consequence: str


def parse(word: str) -> Name:
    """Return the verb of that name.

    Raises:
        UnknownVerb: there is none.
    """
    for name in NAMES:
        if name == word:
            return name
    raise UnknownVerb(word)


def command(name: Name, command_id: str, who: str, now: float) -> Command:
    """Return what a button sends."""
    return Undo(command_id, who, now) if name == "undo" else Order(command_id, who, now, name)


def fitting(rollout: Rollout | None) -> tuple[Verb, ...]:
    """Return the buttons that fit a rollout as it stands; the one that leads back is always the last one."""
    if rollout is None or rollout.phase is Phase.ROLLING_BACK:
        return ()
    if rollout.ended:
        undoable = rollout.phase is Phase.PROMOTED and rollout.settled
        return (describe("undo", rollout),) if undoable else ()
    first: Name = "resume" if rollout.phase is Phase.PAUSED else "pause"
    names: tuple[Name, ...] = (first, "promote", "abort") if rollout.weighted else (first, "abort")
    return tuple(describe(name, rollout) for name in names)


def allowed(rollout: Rollout | None) -> frozenset[Name]:
    """Return the orders that may be sent about a rollout, even if its controller then refuses."""
    if rollout is None:
        return frozenset()
    return frozenset({"undo"} if rollout.phase is Phase.PROMOTED else () if rollout.ended else ON_THE_WAY)


def describe(name: Name, rollout: Rollout) -> Verb:
    """Return a button in words that fit the rollout."""
    canary, stable, weight = rollout.canary, rollout.stable, rollout.weight
    match name:
        case "pause":
            return Verb(
                name,
                "Pause",
                f"Pause the rollout of {canary}?",
                f"It stays at {weight} %. It is still judged, and rolled back if it does harm.",
            )
        case "resume":
            return Verb(
                name,
                "Resume",
                f"Resume the rollout of {canary}?",
                f"It goes on from {weight} % as soon as the evidence allows.",
            )
        case "promote":
            return Verb(
                name,
                "Promote one step",
                f"Promote {canary} past the evidence?",
                f"It moves from {weight} % to {_next(rollout)} although the judge has not said so. "
                "It is still judged, and rolled back if it does harm.",
            )
        case "abort":
            return Verb(
                name,
                "Abort",
                f"Abort the rollout of {canary}?",
                f"All traffic goes back to {stable} at once. This rollout cannot be taken up again; "
                "a new one begins with no evidence.",
            )
        case "undo":
            return _undo(rollout)


def _undo(rollout: Rollout) -> Verb:
    canary, stable = rollout.canary, rollout.stable
    return Verb(
        "undo",
        "Undo",
        f"Go back from {canary} to {stable}?",
        f"The pods of {stable} are started again, and traffic moves back in steps that are judged. "
        f"{canary} stays warm until {stable} has all of it.",
    )


def _next(rollout: Rollout) -> str:
    if rollout.acting is Phase.BAKING:
        return "the end of the bake: it becomes the stable version"
    weight = rollout.stage.next_weight
    return f"{weight} %"
