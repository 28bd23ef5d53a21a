"""The API server's way to say no: a Status object."""

from collections.abc import Sequence
from typing import Any


class ApiError(Exception):
    """An answer other than 2xx."""

    def __init__(self, code: int, reason: str, message: str, causes: Sequence[dict[str, str]] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.causes = list(causes)
        self.about: dict[str, str] = {}

    def status(self) -> dict[str, Any]:
        """The body of the answer."""
        return {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "details": {**self.about, "causes": self.causes},
            "code": self.code,
        }


def bad_request(message: str) -> ApiError:
    return ApiError(400, "BadRequest", message)


def forbidden(user: str, verb: str, what: str) -> ApiError:
    return ApiError(403, "Forbidden", f'{what} is forbidden: User "{user}" cannot {verb} it')


def not_found(what: str, name: str) -> ApiError:
    error = ApiError(404, "NotFound", f'{what} "{name}" not found')
    error.about = {"kind": what, "name": name}
    return error


def already_exists(what: str, name: str) -> ApiError:
    return ApiError(409, "AlreadyExists", f'{what} "{name}" already exists')


def conflict(what: str, name: str, why: str = "") -> ApiError:
    why = why or (
        "the object has been modified; please apply your changes to the latest version and try again"
    )
    return ApiError(409, "Conflict", f'Operation cannot be fulfilled on {what} "{name}": {why}')


def gone(asked: int, oldest: int) -> ApiError:
    return ApiError(410, "Expired", f"too old resource version: {asked} ({oldest})")


def unsupported(content_type: str) -> ApiError:
    message = f"the body of the request was in an unknown format - {content_type} is not accepted here"
    return ApiError(415, "UnsupportedMediaType", message)


def invalid(kind: str, name: str, problems: Sequence[tuple[str, str]]) -> ApiError:
    """``problems`` are pairs of a field's path and what is wrong with it."""
    causes = [{"reason": "FieldValueInvalid", "message": text, "field": path} for path, text in problems]
    listed = ", ".join(f"{path}: {text}" for path, text in problems)
    message = f'{kind} "{name}" is invalid: {listed if len(problems) == 1 else f"[{listed}]"}'
    return ApiError(422, "Invalid", message, causes)
