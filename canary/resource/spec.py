"""The ModelRollout: one source for the CRD, its reference page and the objects that the controller reads."""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Final, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from canary.resource.errors import InvalidResource
from canary.resource.fields import Label, Part, Rule, Version, json_name
from canary.resource.gates import Gates, Notification
from canary.resource.policy import PolicySpec, ShadowSpec
from canary.resource.routing import RoutingSpec
from canary.resource.status import Status
from mesh.lists import Listed

GROUP: Final = "bertmesh.dev"
API_VERSION: Final = "v1alpha1"
KIND: Final = "ModelRollout"
PLURAL: Final = "modelrollouts"
MAX_NAME: Final = 63
"""Characters in a Deployment's name that its pods can carry as a label."""


class Spec(Part):
    """What is wanted: which versions of which Service, how requests reach them, and what must be proved."""

    RULES = (
        Rule(
            "self.service == oldSelf.service",
            "service cannot be changed, since the old Service would lose its route: make another "
            "ModelRollout",
            ".service",
        ),
        Rule(
            "!has(self.canary) || self.canary != self.stable",
            "stable and canary are the same version: name the new version in canary, or leave canary out",
            ".canary",
            lambda self: self.canary is None or self.canary != self.stable,
        ),
        Rule(
            "size(self.service) + size(self.stable) < 63 && (!has(self.canary) || size(self.service) + "
            "size(self.canary) < 63)",
            "service and version together name a Deployment, which may have 63 characters: shorten the "
            "version",
            ".service",
            lambda self: len(self.service) + len(max(self.stable, self.canary or "", key=len)) < MAX_NAME,
        ),
    )
    service: Label = Field(description="The Service that clients call, in this namespace. Cannot be changed.")
    stable: Version = Field(
        description=(
            "The version that is trusted. Its Deployment has the labels `app: <service>` and `version: "
            "<stable>`. After a promotion `status.stable` says which version is trusted now."
        )
    )
    canary: Version | None = Field(
        default=None,
        description=(
            "The version on trial, named like `stable`. Left out: all requests go to the stable version."
        ),
    )
    routing: RoutingSpec = Field(default=RoutingSpec(), description="How requests reach the versions.")
    policy: PolicySpec = Field(
        default=PolicySpec(), description="How fast and on which evidence traffic moves."
    )
    gates: Gates = Field(default=Gates(), description="What must say yes besides the evidence.")
    shadow: ShadowSpec = Field(
        default=ShadowSpec(), description="Copies of requests that the canary answers for comparison only."
    )
    suspend: bool = Field(
        default=False,
        description=(
            "Whether to stand still: nothing begins, and a rollout under way stays at its weight. It is "
            "still judged, and goes back if the canary does harm; `bertmesh rollout undo` and `abort` still "
            "work."
        ),
    )
    notify: Annotated[tuple[Notification, ...], Listed("map", 8)] = Field(
        default=(), description="Who is told."
    )


class ModelRollout(BaseModel):
    """A rollout of one Service's model from a stable version to a canary."""

    model_config = ConfigDict(alias_generator=json_name, populate_by_name=True, extra="ignore", frozen=True)

    spec: Spec = Field(description="What is wanted.")
    status: Status = Field(default=Status(), description="What the controller has done and seen.")

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Self:
        """Return the resource in ``document``, as the API or a file holds it.

        Raises:
            InvalidResource: it breaks a rule; every field at fault is named.
        """
        try:
            return cls.model_validate_json(json.dumps(document))
        except ValidationError as error:
            name = document.get("metadata", {}).get("name", "?")
            raise InvalidResource(str(name), problems(error)) from error


def problems(error: ValidationError) -> tuple[str, ...]:
    """Return one sentence for each field at fault: where, what, and what was seen."""
    return tuple(
        f"{'.'.join(map(str, item['loc'])) or 'spec'}: {item['msg'].removeprefix('Value error, ')}"
        for item in error.errors(include_url=False)
    )


def document(part: BaseModel) -> dict[str, Any]:
    """Return ``part`` as the API wants it: camel case, times as text, nothing that is unset."""
    return part.model_dump(mode="json", by_alias=True, exclude_none=True)
