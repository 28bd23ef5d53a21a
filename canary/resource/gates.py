"""What must say yes, and who is told: the ``spec.gates`` and ``spec.notify`` of a ModelRollout."""

from typing import Annotated, Literal

from pydantic import Field

from canary.resource.fields import Label, Part, Percent, Rule, Url, Word
from mesh.duration import Seconds
from mesh.lists import Listed

When = Literal["BeforeTraffic", "BeforeStep", "BeforePromotion"]
Occasion = Literal["Started", "Advanced", "Held", "Paused", "Promoted", "RolledBack", "Failed"]


class Golden(Part):
    """Texts with known answers, asked before the first live request."""

    config_map: Label = Field(description="ConfigMap with the set, in this namespace.")
    key: Word = Field(
        default="golden.jsonl",
        description=(
            "Key in the ConfigMap. Its value is a golden set (docs/judge.md) or, where the key ends with "
            "`.jsonl`, its sentences, one a line, each with `text` and `answers`."
        ),
    )
    coverage: Percent = Field(default=85, description="Per cent of the set that the canary must answer.")


class Webhook(Part):
    """Somebody else's yes or no."""

    name: Label = Field(description="Name of the gate, as it appears in status and Events.")
    url: Url = Field(
        description=(
            "Asked by POST with the rollout's state as JSON: 2xx is yes, 4xx is no, anything else is asked "
            "again."
        )
    )
    when: When = Field(default="BeforeStep", description="When it is asked.")
    timeout_s: Seconds = Field(default=10.0, description="Time for one answer.")
    patience_s: Seconds = Field(
        default=600.0, description="How long it is asked again before its silence is a no."
    )


class Gates(Part):
    """What must say yes."""

    golden: Golden | None = Field(
        default=None, description="Texts with known answers. Left out: no such gate."
    )
    webhooks: Annotated[tuple[Webhook, ...], Listed("map", 8)] = Field(
        default=(), description="Somebody else's yes or no."
    )
    manual: Annotated[tuple[When, ...], Listed("set", 3)] = Field(
        default=(), description="Where a person must say yes by `bertmesh rollout resume`."
    )


class Notification(Part):
    """Where a message goes when something has happened."""

    RULES = (
        Rule(
            "has(self.url) != has(self.secret)",
            "say where the message goes once: url, or secret when the address itself is a secret (as "
            "Slack's are)",
            ".url",
            lambda self: (self.url is None) != (self.secret is None),
        ),
    )
    name: Label = Field(description="Name of the receiver, as it appears in Events.")
    url: Url | None = Field(default=None, description="Where to POST the message.")
    secret: Label | None = Field(
        default=None, description="Secret in this namespace that holds the address under the key `url`."
    )
    format: Literal["json", "slack"] = Field(default="json", description="Shape of the message.")
    events: Annotated[tuple[Occasion, ...], Listed("set", 7)] = Field(
        default=("Promoted", "RolledBack", "Failed"), description="What is worth a message."
    )
