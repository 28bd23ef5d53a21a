"""Errors of the pod. Each knows its HTTP status and a stable name for clients to act on."""

from collections.abc import Mapping
from itertools import islice
from typing import ClassVar, Self

MOST = 20
"""How many fields at fault are told of in one answer."""


def brief(text: str, most: int = 80) -> str:
    """Return a sender's own words, the long ones by their beginning and length."""
    return text if len(text) <= most else f"{text[:most]}… ({len(text):,} characters)"


def quoted(text: str, most: int = 80) -> str:
    """Return a sender's own words in quotes, the long ones by their beginning and length."""
    return repr(text) if len(text) <= most else f"{text[:most]!r}… ({len(text):,} characters)"


class ServiceError(Exception):
    """Base of this package's errors; the message says what was seen, needed and what to do."""

    status: ClassVar[int] = 500
    slug: ClassVar[str] = "internal"
    title: ClassVar[str] = "Internal error"

    said: ClassVar[str] = "the pod failed unexpectedly; its log has the cause under this request id"
    """What it says where nothing more is known."""
    retry_after_s: int | None = None

    def __init__(self, said: str | None = None) -> None:
        super().__init__(said or self.said)

    @property
    def headers(self) -> Mapping[str, str]:
        """Headers that the answer carries: when to come back."""
        return {} if self.retry_after_s is None else {"Retry-After": str(self.retry_after_s)}

    @property
    def extra(self) -> Mapping[str, object]:
        """Further members of the problem document."""
        return {}


class Refusal(ServiceError):
    """Base of the errors that are told in three parts."""

    def __init__(self, *, seen: str, needed: str, do: str) -> None:
        super().__init__(f"{seen}; {needed} needed: {do}")


class SettingsError(Refusal):
    """An environment variable cannot be used; the pod does not start."""

    def __init__(self, name: str, *, seen: str, needed: str, do: str) -> None:
        super().__init__(seen=f"{name} is {seen!r}", needed=needed, do=do)


class UnsupportedModel(Refusal):
    """The files are complete, but no engine can run them; the pod does not start."""


class RequestError(Refusal):
    """The client must change the request; base of the 4xx errors that the body causes."""

    status = 422


class NotJson(RequestError):
    """The body is not JSON in UTF-8."""

    status, slug, title = 400, "not-json", "Body is not JSON"


class UnreadableMessage(RequestError):
    """Over gRPC: the bytes are not the message that the method takes."""

    status, slug, title = 400, "unreadable-message", "Message cannot be read"


class BodyTooSlow(ServiceError):
    """The body did not arrive in time, or its sender went away in the middle of it."""

    status, slug, title = 408, "body-too-slow", "Body did not arrive"

    def __init__(self, seen: str = "a body that did not arrive in time") -> None:
        super().__init__(f"{seen}; all of it needed within 5 s: send it in one go")


class WrongContentType(RequestError):
    """The body is declared as something else than JSON in UTF-8."""

    status, slug, title = 415, "wrong-content-type", "Content type is not JSON"


class InvalidFields(RequestError):
    """Fields are missing, unknown or of the wrong kind."""

    slug, title = "invalid-fields", "Fields are not as needed"

    def __init__(self, problems: Mapping[str, str], more: int = 0) -> None:
        told = dict(islice(problems.items(), MOST))
        self.problems = {brief(field, 200): said for field, said in told.items()}
        self.more = more + len(problems) - len(told)
        rest = [f"And {self.more:,} more."] if self.more else []
        Exception.__init__(
            self, " ".join([*(f"{field}: {said}." for field, said in self.problems.items()), *rest])
        )

    @property
    def extra(self) -> Mapping[str, object]:
        """The problems one by one, the first of them."""
        return {"errors": [{"field": field, "message": said} for field, said in self.problems.items()]}


class TextError(RequestError):
    """One text cannot be served; base of the errors that say which one, where there are several."""

    index: int | None = None

    def at(self, index: int, count: int) -> Self:
        """Say which of ``count`` texts it is, from 0; of a single one nothing is said."""
        if count > 1:
            self.index = index
        return self

    def __str__(self) -> str:
        """Return the sentence."""
        said = super().__str__()
        return said if self.index is None else f"at index {self.index} of the texts: {said}"

    @property
    def extra(self) -> Mapping[str, object]:
        """The place, for programs."""
        return {} if self.index is None else {"index": self.index}


class NoMask(TextError):
    """A text has nothing to fill."""

    slug, title = "no-mask", "Text has no mask"


class TooManyMasks(TextError):
    """A text has more to fill than is served at once."""

    slug, title = "too-many-masks", "Text has too many masks"


class InvalidTarget(RequestError):
    """A target is not one token that the model could put in place of a mask."""

    slug, title = "invalid-target", "Target is not one token"


class InvalidHeader(RequestError):
    """A header that the pod reads has no usable value."""

    status, slug, title = 400, "invalid-header", "Header is not as needed"


class TextEmpty(TextError):
    """A text has no token that a model could see."""

    slug, title = "text-empty", "Text is empty"


class AnswerTooLarge(RequestError):
    """A request asks for more text than is answered at once."""

    slug, title = "answer-too-large", "Answer would be too large"


class BatchTooLarge(RequestError):
    """A request takes the engine longer than the pod's time limit, whatever else waits."""

    slug, title = "batch-too-large", "Batch is too large"


class Overloaded(ServiceError):
    """The queue is full, or the pod's own time limit is over. Never 503: that ejects the pod."""

    status, slug, title = 429, "overloaded", "Too many requests"

    retry_after_s: int
    advice: ClassVar[str] = "a shorter queue needed: try again in {} s or add pods"

    def __init__(self, seen: str, retry_after_s: int) -> None:
        super().__init__(f"{seen}; {self.advice.format(retry_after_s)}")
        self.seen = seen
        self.retry_after_s = retry_after_s


class OutOfTime(Overloaded):
    """The queue let a request in, and its time was over before its answer was there."""

    advice = (
        "a shorter queue or a smaller request needed: try again in {} s, send less at a time, or add pods"
    )


class DeadlinePassed(ServiceError):
    """The client's own deadline passed before its answer was there; what waited was dropped.

    No 5xx: a client that is in a hurry says nothing about the version that answers it.
    """

    status, slug, title = 408, "deadline-passed", "The client's deadline passed"

    def __init__(self, asked_ms: int) -> None:
        super().__init__(
            f"no answer within the {asked_ms} ms of X-Request-Timeout-Ms; more time needed: raise it"
        )


class NotReady(ServiceError):
    """The model is not loaded and warm yet, or the pod is on its way out."""

    status, slug, title = 503, "not-ready", "Pod is not ready"
    retry_after_s = 1


class UnknownModel(ServiceError):
    """A model or version is named that this pod does not serve."""

    status, slug, title = 404, "unknown-model", "Model is not served here"

    def __init__(self, name: str, version: str | None, *, known: str) -> None:
        seen = f"{brief(name)} in version {brief(version)}" if version else brief(name)
        super().__init__(f"{seen} is asked for; {known} needed, which is served here: name that")


class FixedModel(ServiceError):
    """The model in service cannot be taken away."""

    status, slug, title = 409, "fixed-model", "Model cannot be taken out of service"


class UnusableModel(ServiceError):
    """A model's files are missing or wrong, or no engine can compute it; the one in service stays."""

    status, slug, title = 409, "unusable-model", "Model cannot be used"


class SwapRefused(Refusal):
    """A model must not be put in service: no memory for it, or it fails at the golden sentences."""

    status, slug, title = 409, "swap-refused", "Model was not put in service"


class SwapUnderWay(ServiceError):
    """Another model is being put in service."""

    status, slug, title = 409, "swap-under-way", "Another swap is under way"

    said = "a model is being put in service; one swap at a time needed: try again when it is done"


class NothingToGoBackTo(ServiceError):
    """There is no former model in memory."""

    status, slug, title = 409, "no-former-model", "There is no way back"

    said = "no former model is in memory; one needed for the way back: activate it by its version"


class EngineFailed(ServiceError):
    """The engine raised while computing; the cause is in the log."""

    slug, title = "engine-failed", "Engine failed"


class InjectedFault(ServiceError):
    """A drill's fault, asked for by BERTMESH_FAULT."""

    slug, title = "injected-fault", "Injected fault"

    said = "this pod was started with a fault for a drill: unset BERTMESH_FAULT to end it"


class StoreDown(ServiceError):
    """The cache's store failed or did not answer in time; never reaches a client."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(f"{type(cause).__name__}: {cause}")
