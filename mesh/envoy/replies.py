"""What Envoy answers by itself, as problem details."""

from typing import Any

from mesh.envoy.metrics import VERSION
from mesh.envoy.shapes import Config, all_of, flagged, header, status
from mesh.policy import Policy
from mesh.problem import CONTENT_TYPE, problem

TRY_AGAIN_S = 1


def local_replies(policy: Policy) -> Config:
    """Return the mapping of Envoy's own answers; the first that matches counts."""
    limit = f"the gateway takes {policy.rate_limit_per_s} requests a second: wait and try again"
    no_pod = f"no pod of version {VERSION} is ready: try again"
    unreached = f"no pod of version {VERSION} could be reached: try again"
    lost = f"the pod of version {VERSION} closed the connection before it answered: try again"
    full = f"version {VERSION} has as many requests as it takes: wait and try again"
    late = f"version {VERSION} did not answer within {policy.timeout_s:g} s"
    return {
        "mappers": [
            # The flag of the rate limit is set too late to be matched here.
            _on(status("EQ", 429), problem(429, "Too Many Requests", limit), again=True),
            _on_flag("UO", problem(429, "Too Many Requests", full), again=True),
            _on_flag("UH", problem(503, "Service Unavailable", no_pod), again=True),
            _on_flag("UF", problem(503, "Service Unavailable", unreached), again=True),
            _on_flag("UC", problem(503, "Service Unavailable", lost), again=True),
            _on_flag("UT", problem(504, "Gateway Timeout", late)),
            _on_flag("UAEX", _as_it_is("No valid token")),
            _on_flag(
                "NR", problem(404, "Not Found", "no route for this host: the gateway serves other hosts")
            ),
            _mapper(status("GE", 500), _as_it_is("The gateway failed")),
            # 404s that are left are the routes' own answers and have their bodies.
            _mapper(
                all_of(status("GE", 400), status("NE", 404)),
                _as_it_is("The gateway refused the request"),
            ),
        ]
    }


def _as_it_is(title: str) -> dict[str, Any]:
    return {**problem(0, title, "%LOCAL_REPLY_BODY% (%RESPONSE_CODE_DETAILS%)"), "status": "%RESPONSE_CODE%"}


def _on_flag(flag: str, body: dict[str, Any], *, again: bool = False) -> Config:
    return _on(flagged(flag), body, again=again)


def _on(only: Config, body: dict[str, Any], *, again: bool = False) -> Config:
    headers = {"headers_to_add": [header("retry-after", str(TRY_AGAIN_S))]} if again else {}
    code = {} if isinstance(body["status"], str) else {"status_code": body["status"]}
    return {**_mapper(only, body), **code, **headers}


def _mapper(only: Config, body: dict[str, Any]) -> Config:
    return {"filter": only, "body_format_override": {"json_format": body, "content_type": CONTENT_TYPE}}
