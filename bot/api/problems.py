"""Errors as RFC 9457 problem documents: a status, a title, and one plain sentence in `detail`."""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from bot.errors import BotError

_STATUS: dict[str, tuple[int, str]] = {
    "invalid_request": (400, "The request cannot be used as it is"),
    "unknown_id": (404, "Not found"),
    "move_refused": (409, "The state does not allow this"),
    "not_allowed": (403, "Not allowed"),
    "sequence_conflict": (409, "Too much at once"),
    "store_busy": (503, "The store is busy"),
}


def problem(status: int, title: str, detail: str, *, headers: dict[str, str] | None = None) -> JSONResponse:
    """One problem document."""
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    return JSONResponse(body, status_code=status, media_type="application/problem+json", headers=headers)


def install(app: FastAPI) -> None:
    """Every error that leaves a route becomes a problem document."""

    @app.exception_handler(BotError)
    async def on_bot_error(_: Request, error: BotError) -> JSONResponse:
        status, title = _STATUS.get(error.kind, (500, "Inquest could not do this"))
        return problem(status, title, str(error))

    @app.exception_handler(RequestValidationError)
    async def on_invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"] if part != "body")
        return problem(422, "The request does not have the right shape", f"{where or 'body'}: {first['msg']}.")

    @app.exception_handler(HTTPException)
    async def on_http(_: Request, error: HTTPException) -> JSONResponse:
        headers = dict(error.headers) if error.headers else None
        return problem(error.status_code, "The request was refused", str(error.detail), headers=headers)
