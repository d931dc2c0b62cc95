"""What every room's routes share: the ledger of the application, the actor, problems as ``application/problem+json``.

A route is declared with ``dependencies=[permit(Action.…)]``; :func:`check_routes` stops the application at start if one
is not. Inside, ``actor: CurrentActor`` and ``ledger: CurrentLedger`` are what the room's function needs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute, APIWebSocketRoute

from county.access import Action, Actor, has_role
from ledger.database import Ledger

PROBLEM = "application/problem+json"


class Problem(Exception):
    """An answer that is not what was asked for; ``type`` is stable, ``zh`` and ``en`` say what the reader can do."""

    def __init__(
        self,
        status: int,
        type: str,  # noqa: A002 (the member's name in RFC 9457)
        zh: str,
        en: str,
        *,
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(f"{status} {type}: {en}")
        self.status, self.type, self.zh, self.en, self.more = status, type, zh, en, more
        self.headers = dict(headers or {})

    def document(self, language: str) -> dict[str, Any]:
        """The problem object of RFC 9457, in the language asked for."""
        detail = self.en if language == "en" else self.zh
        titles = TITLES.get(self.status, ("出错了", "Error"))
        title = titles[1] if language == "en" else titles[0]
        return {"type": self.type, "title": title, "status": self.status, "detail": detail, **self.more}


TITLES = {
    400: ("请求有误", "Bad request"),
    401: ("需要登录", "Not signed in"),
    403: ("没有权限", "Not permitted"),
    404: ("没有找到", "Not found"),
    409: ("现在不能这样做", "Not possible now"),
    413: ("文件太大", "Too large"),
    422: ("内容不合要求", "Not acceptable"),
    429: ("太频繁", "Too often"),
    503: ("暂时不可用", "Unavailable for a moment"),
}


def not_found() -> Problem:
    """The answer for what is not there and for what one may not see: the same bytes."""
    return Problem(404, "not-found", "没有找到,或者您无权查看。", "Not found, or not yours to see.")


def not_signed_in() -> Problem:
    """Missing, wrong, ended or revoked credentials: the same bytes."""
    return Problem(
        401,
        "not-signed-in",
        "登录已失效或密钥不对,请重新登录,或向县管理员要新的设备密钥。",
        "Not signed in, or the key is not valid: sign in again, or ask the county's administrator for a new device key.",
        headers={"WWW-Authenticate": "Bearer"},
    )


def not_permitted() -> Problem:
    """The role cannot do this anywhere."""
    return Problem(403, "not-permitted", "您的角色不能做这件事。", "Your role cannot do this.")


def language_of(request: Request) -> str:
    """``en`` or ``zh`` (the default), from ``Accept-Language``."""
    first = request.headers.get("accept-language", "").split(",")[0].strip().lower()
    return "en" if first.startswith("en") else "zh"


def problem_response(request: Request, problem: Problem) -> JSONResponse:
    """The HTTP answer of a problem."""
    document = problem.document(language_of(request))
    return JSONResponse(document, problem.status, headers=problem.headers, media_type=PROBLEM)


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
        return found


def permit(action: Action) -> Any:
    """Declare a route's action: ``dependencies=[permit(Action.SEND)]``."""
    return Depends(Permit(action))


async def current_actor(request: Request) -> Actor:
    """Who asks, from cookie, bearer token or device key; found once a request. :func:`not_signed_in` otherwise."""
    from county import signin

    known: Actor | None = getattr(request.state, "actor", None)
    if known is None:
        known = await signin.actor(request, current_ledger(request))
        request.state.actor = known
    return known


def current_ledger(request: Request) -> Ledger:
    """The application's ledger."""
    return request.app.state.ledger


CurrentActor = Annotated[Actor, Depends(current_actor)]
CurrentLedger = Annotated[Ledger, Depends(current_ledger)]


def action_of(route: APIRoute) -> Action | None:
    """The action that a route was declared with."""
    for dependency in route.dependencies:
        if isinstance(dependency.dependency, Permit):
            return dependency.dependency.action
    return None


def check_routes(app: FastAPI) -> None:
    """Stop the start if a route under ``/v1`` names no action."""
    for route in app.routes:
        if isinstance(route, APIRoute) and route.path.startswith("/v1") and action_of(route) is None:
            raise RuntimeError(f"the route {route.path} names no action: declare it with dependencies=[permit(…)]")
        if isinstance(route, APIWebSocketRoute) and not getattr(route.endpoint, "checks_actor", False):
            raise RuntimeError(f"the websocket {route.path} does not check who asks")
