"""What every room's routes share: the ledger of the application, the actor, problems as ``application/problem+json``.

:func:`install` makes an application answer every error so, and say so in its OpenAPI. A route is declared with
``dependencies=[permit(Action.…)]``; :func:`check_routes` stops the application at start if one is not. Inside,
``actor: CurrentActor`` and ``ledger: CurrentLedger`` are what the room's function needs.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Request, routing
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute, APIWebSocketRoute
from sqlalchemy.exc import InterfaceError, OperationalError
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.routing import BaseRoute

from county import signin
from county.access import Action, Actor, has_role
from county.errors import CountyError
from county.problem import (
    PROBLEM,
    Problem,
    ProblemDocument,
    not_found,
    not_permitted,
    our_error,
    problem_response,
    unavailable,
)
from ledger.database import Ledger, LedgerBusy, LedgerUnavailable

BUSY_S = 2  # Retry-After when the writer's queue is full: it empties in a fraction of that
AWAY_S = 5  # Retry-After when the database does not answer

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Permit:
    """The dependency that a route is declared with: who asks, and whether the role can do this at all."""

    action: Action

    async def __call__(self, request: Request) -> Actor | None:
        if self.action is Action.PUBLIC:
            return None
        found = await current_actor(request)
        if not has_role(found, self.action):
            raise not_permitted()
        if any("\0" in str(value) for value in request.path_params.values()):
            raise not_found()  # no id holds a NUL, and PostgreSQL takes none in a text
        return found


def permit(action: Action) -> Any:
    """Declare a route's action: ``dependencies=[permit(Action.SEND)]``."""
    return Depends(Permit(action))


async def current_actor(request: HTTPConnection) -> Actor:
    """Who asks, from cookie, bearer token or device key; found once a request. :func:`not_signed_in` otherwise."""
    known: Actor | None = getattr(request.state, "actor", None)
    if known is None:
        known = await signin.actor(request, current_ledger(request))
        request.state.actor = known
    return known


def current_ledger(request: HTTPConnection) -> Ledger:
    """The application's ledger."""
    return request.app.state.ledger


async def _the_ledger(request: HTTPConnection) -> Ledger:
    """:func:`current_ledger` as a dependency: FastAPI sends one that is not async through a thread of a pool."""
    return current_ledger(request)


CurrentActor = Annotated[Actor, Depends(current_actor)]
CurrentLedger = Annotated[Ledger, Depends(_the_ledger)]


def action_of(route: APIRoute) -> Action | None:
    """The action that a route was declared with."""
    for dependency in route.dependencies:
        if isinstance(dependency.dependency, Permit):
            return dependency.dependency.action
    return None


def routes_of(app: FastAPI) -> list[tuple[str, BaseRoute]]:
    """Every route of the application with its path, those of its routers too (newer FastAPI nests them)."""
    contexts = getattr(routing, "iter_route_contexts", None)
    if contexts is None:
        return [(getattr(route, "path", ""), route) for route in app.routes]
    return [(context.path or "", context.original_route) for context in contexts(app.routes)]


def check_routes(app: FastAPI) -> None:
    """Stop the start if a route under ``/v1`` names no action."""
    for path, route in routes_of(app):
        if not path.startswith("/v1"):
            continue
        if isinstance(route, APIRoute) and action_of(route) is not None:
            continue
        if isinstance(route, APIWebSocketRoute) and getattr(route.endpoint, "checks_actor", False):
            continue
        raise RuntimeError(
            f"{path} names no action: declare a route with dependencies=[permit(…)]; "
            "a websocket's function that asks who is there says so with checks_actor = True"
        )


# --- every error of an application as a problem -----------------------------------------------------------------------

# What a framework's own refusal is called here: status → type, and what to do.
_REFUSALS = {
    400: ("bad-request", "请求读不懂，请检查格式。", "The request could not be understood: check its form."),
    405: ("method-not-allowed", "这个地址不支持这种请求。", "This address does not take this method."),
    413: ("too-large", "内容太大。", "The body is too large."),
    415: ("unsupported-media-type", "请用 application/json 发送。", "Send application/json."),
}


def install(app: FastAPI) -> None:
    """Answer every error of ``app`` as ``application/problem+json``, in the language asked for, and document it so."""
    handlers: dict[type[Exception], Any] = {
        Problem: _on_problem,
        CountyError: _on_county_error,
        RequestValidationError: _on_invalid,
        HTTPException: _on_refusal,
        LedgerBusy: _on_busy,
        LedgerUnavailable: _on_unavailable,
        OperationalError: _on_unavailable,
        InterfaceError: _on_unavailable,
        Exception: _on_our_error,
    }
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)
    setattr(app, "openapi", lambda: _openapi(app))  # noqa: B010 (FastAPI's documented way to extend its schema)


async def _on_problem(request: Request, error: Problem) -> JSONResponse:
    return problem_response(request, error)


async def _on_county_error(request: Request, error: CountyError) -> JSONResponse:
    return problem_response(request, Problem(422, error.code, error.zh, error.en))


async def _on_invalid(request: Request, error: RequestValidationError) -> JSONResponse:
    """Which fields are wrong, never what they held: it may be a password or a patient's name."""
    wrong = [{"field": ".".join(str(part) for part in one["loc"]), "code": one["type"]} for one in error.errors()]
    fields = ", ".join(one["field"] for one in wrong)
    found = Problem(422, "invalid", f"请检查这些内容：{fields}。", f"Check these: {fields}.", errors=wrong)
    return problem_response(request, found)


async def _on_refusal(request: Request, error: HTTPException) -> JSONResponse:
    if error.status_code == 404:
        return problem_response(request, not_found())
    kind, zh, en = _REFUSALS.get(error.status_code, ("refused", "请求被拒绝。", "The request was refused."))
    return problem_response(request, Problem(error.status_code, kind, zh, en, headers=error.headers))


async def _on_busy(request: Request, _error: LedgerBusy) -> JSONResponse:
    return problem_response(request, unavailable(BUSY_S))


async def _on_unavailable(request: Request, error: Exception) -> JSONResponse:
    # the kind alone: the database's own words may quote a row
    log.warning("the database did not answer: %s", type(error).__name__)
    return problem_response(request, unavailable(AWAY_S))


async def _on_our_error(request: Request, _error: Exception) -> JSONResponse:
    """The server's log has the traceback; the answer has none of it."""
    return problem_response(request, our_error())


def _openapi(app: FastAPI) -> dict[str, Any]:
    """FastAPI's schema, made once, with every error as the problem document it is sent as."""
    if app.openapi_schema is None:
        schema = get_openapi(
            title=app.title,
            version=app.version,
            description=app.description,
            routes=app.routes,
            servers=app.servers,
            tags=app.openapi_tags,
        )
        for path in schema.get("paths", {}).values():
            for operation in path.values():
                _as_problems(operation.get("responses", {}))
        components = schema.setdefault("components", {}).setdefault("schemas", {})
        components[ProblemDocument.__name__] = ProblemDocument.model_json_schema()
        for unused in ("HTTPValidationError", "ValidationError"):
            components.pop(unused, None)
        app.openapi_schema = schema
    return app.openapi_schema


def _as_problems(responses: dict[str, Any]) -> None:
    reference = {"$ref": f"#/components/schemas/{ProblemDocument.__name__}"}
    for status, response in responses.items():
        if status.startswith(("4", "5")):
            response["content"] = {PROBLEM: {"schema": reference}}
