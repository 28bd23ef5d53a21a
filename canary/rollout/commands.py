"""What people may ask of the controller."""

from dataclasses import dataclass
from typing import Literal

from canary.judge.policy import Profile


@dataclass(frozen=True)
class Start:
    """Begin a rollout of ``canary``; ``stable``, if given, must be the version that is stable now.

    ``replicas`` is how many canary pods there shall be (None: as many as the stable has).
    ``policy``, if given, is taken as it is, whatever ``profile`` and ``steps`` say. ``golden`` is where
    the home finds its golden set, None or "none" for no golden gate. ``shadow`` and ``shadow_during`` are
    how many per cent of the stable's requests are copied, before the first weight and from then on.
    """

    id: str
    by: str
    at: float
    canary: str
    stable: str | None = None
    profile: str = "default"
    steps: tuple[int, ...] | None = None
    replicas: int | None = None
    policy: Profile | None = None
    golden: str | None = None
    shadow: int = 0
    shadow_during: int = 0
    verb: Literal["start"] = "start"


@dataclass(frozen=True)
class Order:
    """A word about the rollout in progress.

    ``promote`` moves it one step on by hand, past the evidence; ``abort`` sends all traffic back.
    """

    id: str
    by: str
    at: float
    verb: Literal["pause", "resume", "promote", "abort"]


@dataclass(frozen=True)
class Undo:
    """Go back to the version that was stable before the present one, as a rollout of its own.

    ``at_once`` moves all traffic as soon as that version's pods are ready, past all evidence. ``why`` is for
    the history. ``policy`` is what the way back is judged by (None: by that of the rollout that is undone).
    """

    id: str
    by: str
    at: float
    why: str = ""
    at_once: bool = False
    replicas: int | None = None
    policy: Profile | None = None
    verb: Literal["undo"] = "undo"


Command = Start | Order | Undo


@dataclass(frozen=True)
class OrderResult:
    """What became of the command with this id."""

    id: str
    ok: bool
    message: str
