"""The HTTP API: one table of operations; the endpoints, OpenAPI and pages that come of it."""
