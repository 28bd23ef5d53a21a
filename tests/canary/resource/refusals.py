"""Specs of a ModelRollout that must be refused, each with words of the sentence that says why."""

from typing import Any

Document = dict[str, Any]

MARGIN = {"ratio": 1.0, "points": 0.0}
BAD: dict[str, tuple[Document, str]] = {
    "one version twice": ({"canary": "1.0"}, "name the new version in canary"),
    "names too long for a Deployment": ({"service": "b" * 40, "stable": "1" * 30}, "shorten the version"),
    "weights that fall": ({"policy": {"steps": [{"weight": 20}, {"weight": 5}]}}, "must ascend"),
    "the same weight twice": ({"policy": {"steps": [{"weight": 5}, {"weight": 5}]}}, "must ascend"),
    "a weight of 0": ({"policy": {"steps": [{"weight": 0}]}}, "weight"),
    "a weight of 101": ({"policy": {"steps": [{"weight": 101}]}}, "weight"),
    "a canary of everything": ({"policy": {"steps": [{"weight": 100}]}}, "begin lower"),
    "a promotion that soaks": (
        {"policy": {"steps": [{"weight": 5}, {"weight": 100, "soak": "1m"}]}},
        "set bake",
    ),
    "no steps at all": ({"policy": {"steps": []}}, "steps"),
    "a bake that is too short": ({"policy": {"bake": "10s", "holdback": 5}}, "make bake 1m or more"),
    "a deadline before the fallback": (
        {"policy": {"progressDeadline": "5m", "fallback": "5m"}},
        "longer than fallback",
    ),
    "ratios that fall": (
        {
            "policy": {
                "metrics": [
                    {
                        "name": "errors",
                        "tolerated": {"ratio": 2, "points": 0},
                        "tight": MARGIN,
                        "stated": {"ratio": 3, "points": 1},
                    }
                ]
            }
        },
        "ratios must not fall",
    ),
    "points that fall": (
        {"policy": {"metrics": [{"name": "slow", "tight": {"ratio": 1, "points": 3}, "stated": MARGIN}]}},
        "points must not fall",
    ),
    "no room between the margins": (
        {"policy": {"metrics": [{"name": "errors", "tolerated": MARGIN, "stated": MARGIN}]}},
        "no number of requests",
    ),
    "nothing to prove": (
        {"policy": {"metrics": [{"name": n, "use": "off"} for n in ("errors", "slow", "lowconf")]}},
        "at least one metric must be required",
    ),
    "an unknown metric": ({"policy": {"metrics": [{"name": "vibes"}]}}, "metrics"),
    "one metric twice": ({"policy": {"metrics": [{"name": "slow"}, {"name": "slow"}]}}, "slow"),
    "a Gateway API route without a gateway": (
        {"routing": {"style": "gatewayAPI"}},
        "name a Gateway, or mesh, in gateways",
    ),
    "every host inside the mesh": ({"routing": {"hosts": ["*"]}}, "name the hosts"),
    "a timeout that no try fits into": ({"routing": {"timeout": "1s"}}, "no try could end"),
    "an empty match": ({"routing": {"match": [{}]}}, "leave match out"),
    "a message without a receiver": ({"notify": [{"name": "chat"}]}, "url, or secret"),
    "a message with two receivers": (
        {"notify": [{"name": "chat", "url": "https://example.org/", "secret": "chat"}]},
        "url, or secret",
    ),
    "a receiver that is no address": ({"notify": [{"name": "chat", "url": "chat"}]}, "url"),
    "a duration in words": ({"policy": {"fallback": "ten minutes"}}, "fallback"),
    "text for a number": ({"shadow": {"percent": "10"}}, "percent"),
    "a version that is no name": ({"canary": "Größer"}, "canary"),
}

FIXED: list[tuple[Document, str]] = [
    ({"service": "gpt"}, "make another ModelRollout"),
    ({"routing": {"style": "services"}}, "create it again"),
]
"""Changes of a spec that must be refused."""
