"""The Open Inference Protocol's tensors, to a task and back; the same for REST and gRPC. No I/O.

Inputs, all of type BYTES in UTF-8, are ``text`` [n] and what else a task's request takes as texts. The
parameter ``task`` chooses what is done; the others are those of the task's own endpoint.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from service.errors import InvalidFields, brief
from service.pod.predict import Outcome
from service.tasks.base import Query, Task
from service.tasks.complaints import shown
from service.tasks.features import Features
from service.tasks.request import Request
from service.tasks.table import ENDPOINTS
from service.tasks.tensors import Output, Tensor, integers

DEFAULT = Features.name
_WINDOWS = Tensor("windows", "INT64", (-1,))
"""Into how many windows each text was cut."""


def input_names() -> tuple[str, ...]:
    """Return what inputs tasks take, the default task's first."""
    tasks = reversed(ENDPOINTS.values())
    return tuple(dict.fromkeys(name for each in tasks for name in each.request.inputs))


def output_tensors() -> tuple[Tensor, ...]:
    """Return what tasks answer with, the default task's first."""
    made = (tensor for each in reversed(ENDPOINTS.values()) for tensor in each.task.answer.tensors)
    return (*dict.fromkeys(made), _WINDOWS)


@dataclass(frozen=True)
class Input:
    """An input tensor of strings, flat, in row-major order."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    strings: Sequence[str]


@dataclass(frozen=True)
class Wanted:
    """What is to be computed, and which outputs are wanted (all if None)."""

    task: Task
    queries: tuple[Query, ...]
    outputs: tuple[str, ...] | None


def read(inputs: Sequence[Input], parameters: Mapping[str, object], outputs: Sequence[str] | None) -> Wanted:
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
    asked = Wanted(request.task.for_tensors(), request.queries, None if outputs is None else tuple(outputs))
    _check_outputs(asked)
    return asked


def write(asked: Wanted, outcome: Outcome) -> list[Output]:
    """Return the output tensors that were asked for, in the order of `output_tensors`."""
    made = [*asked.task.answer.outputs(outcome.answers), integers(_WINDOWS.name, outcome.windows)]
    return [output for output in made if asked.outputs is None or output.name in asked.outputs]


def _request(parameters: Mapping[str, object], fields: Mapping[str, Any]) -> Request:
    name = parameters.get("task", DEFAULT)
    endpoint = ENDPOINTS.get(name) if isinstance(name, str) else None
    if endpoint is None:
        known = ", ".join(ENDPOINTS)
        raise InvalidFields({"parameters.task": f"is {shown(name)}; one of {known} needed: send one of them"})
    try:
        return endpoint.request.of(fields)
    except InvalidFields as error:
        raise InvalidFields(
            {_as_sent(field, parameters): said for field, said in error.problems.items()}, error.more
        ) from None


def _as_sent(field: str, parameters: Mapping[str, object]) -> str:
    """Name a field of a task as the protocol has it: a parameter, or an input."""
    name = field.partition("[")[0]
    return f"inputs.{field}" if name in input_names() and name not in parameters else f"parameters.{field}"


def _check(tensor: Input) -> None:
    if tensor.name not in input_names():
        known = ", ".join(input_names())
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


def _check_outputs(asked: Wanted) -> None:
    known = [tensor.name for tensor in (*asked.task.answer.tensors, _WINDOWS)]
    for name in asked.outputs or ():
        if name not in known:
            said = f"is not made by {asked.task.name}; {', '.join(known)} needed: ask for those, or for none"
            raise InvalidFields({f"outputs.{name}": said})
