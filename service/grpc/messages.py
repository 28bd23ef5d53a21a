"""The protocol's gRPC messages, made from the compiled description beside this module.

No generated Python: it would tie the pod to one release of protobuf.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

from service.api.tensors import Input
from service.errors import InvalidFields
from service.tasks.tensors import Output

SERVICE = "inference.GRPCInferenceService"
_LENGTH_BYTES = 4
"""Before each element of a raw BYTES tensor, little-endian."""
_CONTENTS = {"FP32": "fp32_contents", "INT64": "int64_contents", "BYTES": "bytes_contents"}


def _pool() -> DescriptorPool:
    # Not the default pool: a client library in the same process may have these names there.
    pool = DescriptorPool()
    content = Path(__file__).with_name("inference.binpb").read_bytes()
    for file in FileDescriptorSet.FromString(content).file:
        pool.Add(file)
    return pool


POOL = _pool()


def methods() -> Sequence[MethodDescriptor]:
    """Return the service's methods."""
    found: Sequence[MethodDescriptor] = POOL.FindServiceByName(SERVICE).methods
    return found


def message(name: str) -> Any:  # noqa: ANN401 - a class that exists only at run time
    """Return a message's class by its name without the package."""
    return GetMessageClass(POOL.FindMessageTypeByName(f"inference.{name}"))


def values(parameters: Any) -> dict[str, Any]:  # noqa: ANN401 - a message
    """Return parameters as plain values; a parameter without a value is left out."""
    chosen = {name: each.WhichOneof("parameter_choice") for name, each in parameters.items()}
    return {name: getattr(parameters[name], field) for name, field in chosen.items() if field}


def inputs(request: Any) -> list[Input]:  # noqa: ANN401 - a message
    """Return the input tensors of a ModelInferRequest, typed or raw.

    Raises:
        InvalidFields: Contents do not fit, or are not UTF-8.
    """
    raw = request.raw_input_contents
    if raw and len(raw) != len(request.inputs):
        said = f"has {len(raw)} tensors; {len(request.inputs)} needed: send one for each input, or none"
        raise InvalidFields({"raw_input_contents": said})
    return [
        Input(
            tensor.name,
            tensor.datatype,
            tuple(tensor.shape),
            _texts(tensor.name, _elements(raw[index]) if raw else tensor.contents.bytes_contents),
        )
        for index, tensor in enumerate(request.inputs)
    ]


def add_outputs(response: Any, outputs: Sequence[Output], *, raw: bool) -> None:  # noqa: ANN401 - a message
    """Put output tensors into a ModelInferResponse, typed or raw."""
    for output in outputs:
        tensor = response.outputs.add(name=output.name, datatype=output.datatype, shape=output.shape)
        if raw:
            response.raw_output_contents.append(_raw(output))
        else:
            contents = getattr(tensor.contents, _CONTENTS[output.datatype])
            contents.extend(_encoded(output))


def _encoded(output: Output) -> list[bytes] | list[Any]:
    if isinstance(output.data, list):
        return [text.encode() for text in output.data]
    return list(output.data.tolist())


def _raw(output: Output) -> bytes:
    if isinstance(output.data, list):
        texts = [text.encode() for text in output.data]
        return b"".join(len(text).to_bytes(_LENGTH_BYTES, "little") + text for text in texts)
    return np.asarray(output.data, dtype=output.data.dtype.newbyteorder("<")).tobytes()


def _elements(raw: bytes) -> list[bytes]:
    found, at = [], 0
    while at < len(raw):
        start = at + _LENGTH_BYTES
        at = start + int.from_bytes(raw[at:start], "little")
        found.append(raw[start:at])
    if at != len(raw):
        said = "ends within an element; four bytes of length before each text needed: see the specification"
        raise InvalidFields({"raw_input_contents": said})
    return found


def _texts(name: str, elements: Sequence[bytes]) -> list[str]:
    try:
        return [element.decode() for element in elements]
    except UnicodeDecodeError:
        raise InvalidFields({f"inputs.{name}": "is not UTF-8; UTF-8 needed: encode the text so"}) from None
