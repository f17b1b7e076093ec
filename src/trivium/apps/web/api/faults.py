"""Refusals in OpenAI's form: `{"error": {"message", "type", "param", "code"}}`, whatever went wrong.

A message that a caller sees names what they sent, never a file of ours: errors of the run's own files are told in the
server's log, and to the caller only that the model cannot be used.
"""

# No `from __future__ import annotations` here: FastAPI reads the annotations of handlers that are made inside functions.
import difflib
import json
import sys
import traceback
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from trivium.base.errors import CheckpointError, RunError, UserError

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.responses import Response

LONGEST_ECHO = 80  # characters of what was sent that a refusal repeats
TYPES = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}


class ApiError(UserError):
    """A refusal: a status, a sentence, the field that it is about, a code that programs read, seconds to wait."""

    def __init__(
        self, status: int, sentence: str, *, param: str | None = None, code: str | None = None, wait: float = 0.0
    ) -> None:
        super().__init__(sentence)
        self.status, self.param, self.code, self.wait = status, param, code, wait


def content_of(status: int, sentence: str, param: str | None = None, code: str | None = None) -> dict[str, Any]:
    """The body of a refusal."""
    kind = TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
    return {"error": {"message": sentence, "type": kind, "param": param, "code": code}}


def refused(status: int, sentence: str) -> dict[str, Any]:
    """The body of a refusal by the outermost layer, which knows no field."""
    return content_of(status, sentence, code="too_large" if status == 413 else None)


def told(error: Exception) -> ApiError:
    """What a caller is told of an error that the run's models raised."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, UserError) and not isinstance(error, RunError):
        return ApiError(400, str(error))
    print("".join(traceback.format_exception(error)), file=sys.stderr, flush=True)
    if isinstance(error, RunError | CheckpointError):
        return ApiError(503, "this model cannot be read just now; the server's log says why", code="model_unavailable")
    return ApiError(500, "something went wrong in the server; its log says what", code="internal_error")


def shown(value: object) -> str:
    """A value of a request as a refusal repeats it: short, printable, in ASCII."""
    text = ascii(value)
    return text if len(text) <= LONGEST_ECHO else f"{text[:LONGEST_ECHO]}..."


def answer_with(error: ApiError) -> "Response":
    """The refusal as an HTTP answer."""
    from starlette.responses import Response

    headers = {"Retry-After": str(max(1, round(error.wait)))} if error.wait else {}
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    body = json.dumps(content_of(error.status, str(error), error.param, error.code))
    return Response(body, error.status, headers, media_type="application/json")


def add_faults(app: "FastAPI") -> None:
    """Have every error told in OpenAI's form."""
    from fastapi import Request
    from fastapi.exceptions import RequestValidationError
    from starlette.exceptions import HTTPException
    from starlette.responses import Response

    @app.exception_handler(RequestValidationError)
    def wrong_field(request: Request, error: RequestValidationError) -> Response:
        return answer_with(_of_validation(error.errors(), error.body))

    @app.exception_handler(HTTPException)
    def not_there(request: Request, error: HTTPException) -> Response:
        sentence = {404: "there is nothing at this address", 405: "this address is not asked in this way"}
        found = answer_with(ApiError(error.status_code, sentence.get(error.status_code, "the request cannot be read")))
        found.headers.update(error.headers or {})
        return found

    @app.exception_handler(UserError)
    def user_error(request: Request, error: UserError) -> Response:
        return answer_with(told(error))

    @app.exception_handler(Exception)
    def ours(request: Request, error: Exception) -> Response:
        return answer_with(
            ApiError(500, "something went wrong in the server; its log says what", code="internal_error")
        )


def _of_validation(faults: Any, body: Any) -> ApiError:
    """One thing that is wrong with a body, in a sentence that names field, value and what would do: the first, or what lies
    deepest of where that may have several forms."""
    first = _place(faults[0])
    inside = [fault for fault in faults if _place(fault)[: len(first)] == first]
    fault: Mapping[str, Any] = max(inside, key=lambda one: len(_place(one)))
    place = _place(fault)
    if fault["type"] == "json_invalid":
        return ApiError(400, f"the body is not JSON: {fault['ctx']['error']}")
    if isinstance(body, bytes):  # it was not even read as JSON
        return ApiError(400, "the body is not sent as JSON: send the header 'Content-Type: application/json'")
    param = ".".join(place) or None
    if fault["type"] == "extra_forbidden":
        return ApiError(400, _unknown(place[-1], place[:-1], body), param=param, code="unknown_parameter")
    if fault["type"] == "missing":
        return ApiError(400, f"'{param}' is missing" if param else "the body is empty; send a JSON object", param=param)
    return ApiError(400, f"'{param or 'body'}'{_wanted(fault)}", param=param, code="invalid_value")


def _place(fault: Mapping[str, Any]) -> list[str]:
    """Names and numbers that lead to a fault, without the forms that were tried there (`str`, `list[TextPart]`)."""
    from trivium.apps.web.api.bodies import names_in

    parts, known = fault["loc"], names_in()
    last = len(parts) - 1 if fault["type"] == "extra_forbidden" else -1
    return [str(part) for at, part in enumerate(parts) if isinstance(part, int) or part in known or at == last]


def _wanted(fault: Mapping[str, Any]) -> str:
    """What a value is, and what it must be."""
    limits = fault.get("ctx") or {}
    if fault["type"] in ("too_short", "too_long", "string_too_short", "string_too_long"):
        unit = "characters" if fault["type"].startswith("string") else "items"
        least, most = limits.get("min_length"), limits.get("max_length")
        bound = f"at least {least}" if most is None else f"at most {most}"
        return f" has {len(fault['input'])} {unit}; it must have {bound}"
    wanted = str(fault["msg"]).removeprefix("Value error, ").removeprefix("Input should be ")
    value = "" if isinstance(fault.get("input"), dict | list) else f" is {shown(fault.get('input'))};"
    return f"{value} it must be {wanted}"


def _unknown(name: str, inside: list[str], body: Any) -> str:
    from trivium.apps.web.api.bodies import FIELDS

    near = [] if inside else difflib.get_close_matches(name, FIELDS, n=1, cutoff=0.75)
    hint = f"; did you mean '{near[0]}'?" if near else "; this server does not know it, so leave it out"
    return f"unknown field {shown(name)}{hint}"
