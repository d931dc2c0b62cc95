"""Errors as ``application/problem+json`` (RFC 9457): a stable type, and one sentence in the reader's language."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import HTTPConnection

PROBLEM = "application/problem+json"


class ProblemDocument(BaseModel):
    """An error, as RFC 9457 has it."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(description="Stable: what a program compares.")
    title: str = Field(description="The kind of error, in the language asked for.")
    status: int
    detail: str = Field(description="What the reader can do about it, in the language asked for (zh or en).")


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What a route says in OpenAPI about its errors: ``@router.get(…, responses=problems(401, 404))``."""
    return {status: {"model": ProblemDocument, "description": TITLES[status][1]} for status in statuses}


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
    405: ("不支持这种请求", "Method not allowed"),
    408: ("等待超时", "Timed out"),
    409: ("现在不能这样做", "Not possible now"),
    410: ("已经不在了", "Gone"),
    411: ("缺少长度", "Length required"),
    412: ("版本不对", "Precondition failed"),
    413: ("文件太大", "Too large"),
    415: ("内容类型不对", "Unsupported media type"),
    422: ("内容不合要求", "Not acceptable"),
    429: ("太频繁", "Too often"),
    500: ("系统出错", "Our error"),
    503: ("暂时不可用", "Unavailable for a moment"),
    507: ("存储空间不足", "Insufficient storage"),
}


def not_found() -> Problem:
    """The answer for what is not there and for what one may not see: the same bytes."""
    return Problem(404, "not-found", "没有找到，或者您无权查看。", "Not found, or not yours to see.")


def not_signed_in() -> Problem:
    """Missing, wrong, ended or revoked credentials: the same bytes."""
    return Problem(
        401,
        "not-signed-in",
        "登录已失效或密钥不对，请重新登录，或向县管理员要新的设备密钥。",
        "Not signed in, or the key is not valid: sign in again, or ask the county's administrator for a new key.",
        headers={"WWW-Authenticate": "Bearer"},
    )


def not_permitted() -> Problem:
    """The role cannot do this anywhere."""
    return Problem(403, "not-permitted", "您的角色不能做这件事。", "Your role cannot do this.")


def too_large(most: int) -> Problem:
    """A body beyond ``most`` bytes; the rest of it is not read."""
    mib = most / (1 << 20)
    return Problem(
        413,
        "too-large",
        f"文件超过 {mib:g} MiB，没有接收。心电图文件一般不到 1 MiB，请检查是否选错了文件。",
        f"The file is beyond {mib:g} MiB and was not taken. An ECG has less than 1 MiB: is it the right file?",
        headers={"Connection": "close"},
    )


def our_error() -> Problem:
    """A mistake of the server; its log has the reason, the answer has none of it."""
    return Problem(
        500,
        "our-error",
        "服务器出错了，原因已记录。请再试一次；急的话请打县中心电话。",
        "The server made a mistake, which is on record. Try again; if it is urgent, telephone the county.",
    )


def unavailable(retry_s: int) -> Problem:
    """The server cannot answer now; the same request is safe to repeat after ``retry_s``."""
    return Problem(
        503,
        "unavailable",
        "系统正忙或暂时连不上数据库，请稍后再试；重复发送是安全的。",
        "The server is busy or cannot reach its database for a moment: try again, a repeat is safe.",
        headers={"Retry-After": str(retry_s)},
    )


def language_of(request: HTTPConnection) -> str:
    """``en`` or ``zh`` (the default), from ``Accept-Language``."""
    first = request.headers.get("accept-language", "").split(",")[0].strip().lower()
    return "en" if first.startswith("en") else "zh"


def problem_response(request: HTTPConnection, problem: Problem) -> JSONResponse:
    """The HTTP answer of a problem."""
    document = problem.document(language_of(request))
    return JSONResponse(document, problem.status, headers=problem.headers, media_type=PROBLEM)
