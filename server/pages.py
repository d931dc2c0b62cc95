"""The built screens: four pages that are asked for anew each time, and assets whose names hold their hash."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import APIRouter
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

STATIC = Path(__file__).parent / "static"

#: address → the page's file below ``static/``
PAGES = {
    "/": "index.html",
    "/reader/": "reader/index.html",
    "/clinic/": "clinic/index.html",
    "/board/": "board/index.html",
}
_PAGE_CACHE = {"Cache-Control": "no-cache"}  # asked for each time, answered 304 when nothing changed
_ASSET_CACHE = "public, max-age=31536000, immutable"

_NOT_BUILT = """<!doctype html><html lang="zh-CN"><meta charset="utf-8"><title>ecgnet</title>
<p>网页界面还没有构建:请在源码目录运行 make web,然后刷新。</p>
<p lang="en">The screens have not been built: run make web in the source folder, then reload.</p></html>"""


class _Assets(StaticFiles):
    """Files whose names change when their content does: kept by the browser for good."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        if response.status_code < 400:
            response.headers["Cache-Control"] = _ASSET_CACHE
        return response


def _page(file: Path) -> Any:
    async def page() -> Response:
        if not file.is_file():
            return HTMLResponse(_NOT_BUILT, 503, headers=_PAGE_CACHE)
        return FileResponse(file, media_type="text/html; charset=utf-8", headers=_PAGE_CACHE)

    return page


def router(static: Path = STATIC) -> APIRouter:
    """The pages; they hold nothing that is not public."""
    pages = APIRouter(include_in_schema=False)
    for address, file in PAGES.items():
        pages.add_api_route(address, _page(static / file), methods=["GET", "HEAD"], name=file)
    return pages


def assets(static: Path = STATIC) -> StaticFiles:
    """What the pages load; the folder may be built after the start."""
    return _Assets(directory=static / "assets", check_dir=False)
