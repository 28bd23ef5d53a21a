"""The model repository extension of the Open Inference Protocol, for the admin port.

https://github.com/kserve/open-inference-protocol and, for load, unload and index,
https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_model_repository.md
"""

from collections.abc import Callable, Mapping

from pydantic import Field

from service.errors import InvalidFields
from service.http.router import Call, Reply, Route, json_reply
from service.pod.model_folder import Availability, ModelFolder
from service.tasks.request import Parameters, Strict, document, validated

_NOT_OFFERED: Mapping[str, str] = {
    "config": "is not offered; a version in the models folder needed, as it is there: leave it out",
    "unload_dependents": "is not offered; a model here has no dependents: leave it out",
}
"""The extension's own parameters: ``config`` and ``file:...`` of load, and ``unload_dependents``."""


class IndexRequest(Strict):
    """Which models to list."""

    ready: bool = Field(False, description="List only what can be asked now.")  # noqa: FBT003 - pydantic's own


class ChangeRequest(Strict):
    """Which version of a model to load or unload."""

    parameters: Parameters | None = Field(
        None, description="version: the newest by default. Others are refused.", examples=[{"version": "1.0"}]
    )


def model_repository(models: ModelFolder) -> tuple[Route, ...]:
    """Return the routes."""

    def index(call: Call) -> Reply:
        wanted = validated(IndexRequest, _optional_body(call))
        entries = models.index()
        ready = [each for each in entries if not wanted.ready or each.state is Availability.READY]
        return json_reply(ready)

    def rollback(_call: Call) -> Reply:
        """Put the former model back: not the protocol's, which knows no former one."""
        return json_reply({"model": models.rollback()})

    return (
        Route("POST", "/v2/repository/index", index),
        Route("POST", "/v2/repository/models/{name}/load", lambda call: _change(call, models.load)),
        Route("POST", "/v2/repository/models/{name}/unload", lambda call: _change(call, models.unload)),
        Route("POST", "/rollback", rollback),
    )


def _change(call: Call, action: Callable[[str, str | None], None]) -> Reply:
    sent = validated(ChangeRequest, _optional_body(call))
    action(call.parts["name"], _version(sent.parameters or {}))
    return json_reply({})


def _version(parameters: Mapping[str, object]) -> str | None:
    """Return the version that is named; what is not understood must not load another one instead."""
    problems = {f"parameters.{name}": _refusal(name) for name in parameters if name != "version"}
    version = parameters.get("version")
    if not isinstance(version, str | None):
        problems["parameters.version"] = 'is no string; one like "1.0" needed: put it in quotes'
    if problems or not isinstance(version, str | None):
        raise InvalidFields(problems)
    return version


def _refusal(name: str) -> str:
    said = "config" if name.startswith("file:") else name
    return _NOT_OFFERED.get(said, "is unknown; only version is taken: remove it or check its spelling")


def _optional_body(call: Call) -> dict[str, object]:
    signs = ("CONTENT_LENGTH", "CONTENT_TYPE", "HTTP_TRANSFER_ENCODING")
    sent = any(call.environ.get(name, "0") not in ("", "0") for name in signs)
    return document(call.body()) if sent else {}
