"""The Open Inference Protocol's tensors, to a task and back; the same for REST and gRPC. No I/O.

Inputs, all of type BYTES in UTF-8: ``text`` [n]; ``text_pair`` [n] for semantic-similarity; ``targets``
[k] for fill-mask. The parameter ``task`` chooses what is done, feature-extraction by default; the
others (``top_k``, ``pooling``, ``normalize``) are those of the task's own endpoint.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.api.complaints import shown
from service.api.schema import REQUESTS, Request
from service.errors import InvalidFields, brief
from service.pod.predict import Outcome
from service.tasks.base import Features, Query, Similarity, Task
from service.tasks.fill_mask import FillMask

TEXTS = ("text", "text_pair", "targets")
INPUTS = (("text", "BYTES", [-1]), ("text_pair", "BYTES", [-1]), ("targets", "BYTES", [-1]))
OUTPUTS = (
    ("features", "FP32", [-1, -1]),
    ("similarity", "FP32", [-1]),
    ("tokens", "BYTES", [-1, -1]),
    ("scores", "FP32", [-1, -1]),
    ("masks", "INT64", [-1, 2]),
    ("windows", "INT64", [-1]),
)
"""``features`` (texts, hidden); ``similarity`` (texts,); ``tokens`` and ``scores`` (masks, candidates), the
masks of all texts one after the other; ``masks`` (masks, 2): the text's index and the offset in it;
``windows`` (texts,): into how many windows a text was cut."""


@dataclass(frozen=True)
class Input:
    """An input tensor of strings, flat, in row-major order."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    strings: Sequence[str]


@dataclass(frozen=True)
class Output:
    """An output tensor; ``data`` is flat: an array, or a list of strings."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    data: NDArray[np.float32] | NDArray[np.int64] | list[str]


@dataclass(frozen=True)
class Asked:
    """What is to be computed, and which outputs are wanted (all if None)."""

    task: Task
    queries: tuple[Query, ...]
    outputs: tuple[str, ...] | None


def read(inputs: Sequence[Input], parameters: Mapping[str, object], outputs: Sequence[str] | None) -> Asked:
    """Return what the tensors of a request ask for.

    Raises:
        InvalidFields: Tensors or parameters are not as needed.
    """
    fields: dict[str, Any] = {name: value for name, value in parameters.items() if name != "task"}
    for tensor in inputs:
        _check(tensor)
        if tensor.name in fields:
            raise InvalidFields({tensor.name: "is sent twice; one such input needed: remove the other"})
        fields[tensor.name] = list(tensor.strings)
    request = _request(parameters, fields)
    asked = Asked(_task(request), request.queries, None if outputs is None else tuple(outputs))
    _check_outputs(asked)
    return asked


def write(asked: Asked, outcome: Outcome) -> list[Output]:
    """Return the output tensors that were asked for, in the order of `OUTPUTS`."""
    windows = np.array(outcome.windows, dtype=np.int64)
    made = [*_results(asked.task, outcome.answers), Output("windows", "INT64", windows.shape, windows)]
    return [output for output in made if asked.outputs is None or output.name in asked.outputs]


def _results(task: Task, answers: Sequence[Any]) -> list[Output]:
    match task:
        case Similarity():
            return [_floats("similarity", answers)]
        case FillMask():
            return _filled(answers)
        case _:
            return [_floats("features", answers)]


def _floats(name: str, values: object) -> Output:
    array = np.asarray(values, dtype=np.float32)
    return Output(name, "FP32", array.shape, array.ravel())


def _filled(answers: Sequence[Any]) -> list[Output]:
    lists = [answer["masks"] if isinstance(answer, dict) else [answer] for answer in answers]
    masks = [(index, candidates) for index, masks in enumerate(lists) for candidates in masks]
    tokens = [[each["token"] for each in candidates] for _, candidates in masks]
    places = np.array([(index, each[0]["offset"]) for index, each in masks], dtype=np.int64)
    flat = [token for row in tokens for token in row]
    return [
        Output("tokens", "BYTES", (len(tokens), len(tokens[0])), flat),
        _floats("scores", [[each["score"] for each in candidates] for _, candidates in masks]),
        Output("masks", "INT64", places.shape, places.ravel()),
    ]


def _request(parameters: Mapping[str, object], fields: Mapping[str, Any]) -> Request:
    name = parameters.get("task", Features.name)
    schema = REQUESTS.get(name) if isinstance(name, str) else None
    if schema is None:
        known = ", ".join(REQUESTS)
        raise InvalidFields({"parameters.task": f"is {shown(name)}; one of {known} needed: send one of them"})
    try:
        return schema.of(fields)
    except InvalidFields as error:
        raise InvalidFields(
            {_as_sent(field, parameters): said for field, said in error.problems.items()}, error.more
        ) from None


def _as_sent(field: str, parameters: Mapping[str, object]) -> str:
    """Name a field of a task as the protocol has it: a parameter, or an input."""
    name = field.partition("[")[0]
    return f"inputs.{field}" if name in TEXTS and name not in parameters else f"parameters.{field}"


def _task(request: Request) -> Task:
    """Leave out the sequences of fill-mask, which have no tensor: they cost the engine further rounds."""
    task = request.task
    return FillMask(task.top_k, task.targets, sequences=False) if isinstance(task, FillMask) else task


def _check(tensor: Input) -> None:
    if tensor.name not in TEXTS:
        known = ", ".join(TEXTS)
        raise InvalidFields({f"inputs.{tensor.name}": f"is unknown; {known} needed: rename or remove it"})
    if tensor.datatype != "BYTES":
        raise InvalidFields(
            {f"inputs.{tensor.name}": f"is {brief(tensor.datatype)}; BYTES needed: send text"}
        )
    column = len(tensor.shape) == 1 or (len(tensor.shape) == 2 and tensor.shape[1] == 1)  # noqa: PLR2004 - [n, 1]
    if not column or prod(tensor.shape) != len(tensor.strings):
        shape = brief(str(list(tensor.shape)))
        said = f"has the shape {shape} and {len(tensor.strings)} texts; [n] or [n, 1] needed"
        raise InvalidFields({f"inputs.{tensor.name}": f"{said}: make the shape say how many texts there are"})


def _check_outputs(asked: Asked) -> None:
    names = {Similarity.name: ("similarity",), FillMask.name: ("tokens", "scores", "masks")}
    known = (*names.get(asked.task.name, ("features",)), "windows")
    for name in asked.outputs or ():
        if name not in known:
            said = f"is not made by {asked.task.name}; {', '.join(known)} needed: ask for those, or for none"
            raise InvalidFields({f"outputs.{name}": said})
