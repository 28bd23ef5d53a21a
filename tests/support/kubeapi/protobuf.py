"""Kubernetes' protobuf, as far as Helm speaks it: it keeps its releases as Secrets in this form.

Four bytes, then an envelope with the kind and the raw object. Answers may be JSON in any case. Reference:
https://kubernetes.io/docs/reference/using-api/api-concepts/#protobuf-encoding
"""

import base64
from collections.abc import Iterator, Mapping
from typing import Any, Final

MAGIC: Final = b"k8s\x00"
LENGTH_DELIMITED: Final = 2
VARINT: Final = 0

Fields = Mapping[int, list[bytes]]


def is_protobuf(body: bytes) -> bool:
    """Tell whether a body is in this form."""
    return body.startswith(MAGIC)


def document(body: bytes) -> dict[str, Any]:
    """Return a Secret as JSON would have it; of another kind only what kind it is."""
    envelope = _fields(body.removeprefix(MAGIC))
    meta = _fields(_one(envelope, 1))
    kind = {"apiVersion": _one(meta, 1).decode(), "kind": _one(meta, 2).decode()}
    return {**kind, **_secret(_fields(_one(envelope, 2)))} if kind["kind"] == "Secret" else kind


def _secret(fields: Fields) -> dict[str, Any]:
    meta = _fields(_one(fields, 1))
    given = {"name": _one(meta, 1), "namespace": _one(meta, 3), "resourceVersion": _one(meta, 6)}
    metadata: dict[str, Any] = {name: value.decode() for name, value in given.items() if value}
    metadata["labels"] = {key: value.decode() for key, value in _map(meta, 11)}
    data = {key: base64.b64encode(value).decode() for key, value in _map(fields, 2)}
    return {"metadata": metadata, "data": data, "type": _one(fields, 3).decode() or "Opaque"}


def _map(fields: Fields, number: int) -> Iterator[tuple[str, bytes]]:
    for entry in fields.get(number, ()):
        pair = _fields(entry)
        yield _one(pair, 1).decode(), _one(pair, 2)


def _one(fields: Fields, number: int) -> bytes:
    return fields.get(number, [b""])[-1]


def _fields(message: bytes) -> Fields:
    """Return the values of a message by their numbers; numbers are passed over."""
    found: dict[int, list[bytes]] = {}
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        value, at = _varint(message, at)
        if key & 7 == LENGTH_DELIMITED:
            found.setdefault(key >> 3, []).append(message[at : at + value])
            at += value
        elif key & 7 != VARINT:
            problem = f"wire type {key & 7} is not expected in a Secret"
            raise ValueError(problem)
    return found


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:  # the highest bit says whether more follows
            return value, at
