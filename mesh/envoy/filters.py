"""The HTTP filters, in the order in which a request passes them."""

from mesh.envoy.metrics import destination_loggers
from mesh.envoy.shapes import Config, duration, extension, typed
from mesh.model import Mesh
from mesh.policy import Jwt

ALWAYS = {"default_value": {"numerator": 100, "denominator": "HUNDRED"}, "runtime_key": "bertmesh.unused"}


def http_filters(mesh: Mesh) -> list[Config]:
    """Return the rate limit and the token check, if the policy has them, and the router."""
    policy = mesh.policy
    # The limit comes first: it also bounds what checking signatures may cost.
    limit = [] if policy.rate_limit_per_s is None else [_rate_limit(policy.rate_limit_per_s)]
    tokens = [] if policy.jwt is None else [_jwt(policy.jwt)]
    return [*limit, *tokens, _router(mesh)]


def _rate_limit(per_s: int) -> Config:
    config = typed(
        "extensions.filters.http.local_ratelimit.v3.LocalRateLimit",
        stat_prefix="rate_limit",
        token_bucket={"max_tokens": per_s, "tokens_per_fill": per_s, "fill_interval": duration(1)},
        filter_enabled=ALWAYS,
        filter_enforced=ALWAYS,
    )
    return extension("envoy.filters.http.local_ratelimit", config)


def _jwt(jwt: Jwt) -> Config:
    provider = {
        "issuer": jwt.issuer,
        "audiences": list(jwt.audiences),
        "local_jwks": {"inline_string": jwt.jwks},
        "require_expiration": True,
    }
    config = typed(
        "extensions.filters.http.jwt_authn.v3.JwtAuthentication",
        providers={"issuer": provider},
        rules=[{"match": {"prefix": "/"}, "requires": {"provider_name": "issuer"}}],
    )
    return extension("envoy.filters.http.jwt_authn", config)


def _router(mesh: Mesh) -> Config:
    config = typed(
        "extensions.filters.http.router.v3.Router",
        upstream_log=destination_loggers(mesh),
        suppress_envoy_headers=True,
    )
    return extension("envoy.filters.http.router", config)
