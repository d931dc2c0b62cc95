"""What stands around every answer, in one process without a network."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy.exc import OperationalError

from ingest.limits import Limits, Measure
from ledger.database import Ledger, make_engine
from ledger.migrate import migrate
from server import health, pages
from server.app import make_app
from server.settings import Settings
from tests.county.browser import Browser
from tests.support.needs import REPOSITORY


@pytest.fixture
def app(tmp_path: Path) -> Iterator[FastAPI]:
    """The application on an empty ledger; its desk does not run."""
    url = f"sqlite:///{tmp_path / 'ecgnet.db'}"
    engine = make_engine(url)
    migrate(engine)
    engine.dispose()
    ledger = Ledger.open(url)
    yield make_app(ledger, Settings(data=tmp_path, max_body_bytes=1 << 20))
    ledger.close()


@pytest.fixture
def client(app: FastAPI) -> Iterator[Browser]:
    with Browser(app) as browser:
        yield browser


def test_every_answer_has_its_security_headers_and_its_id(client: Browser) -> None:
    for path in ("/livez", "/", "/v1/worklist", "/nothing", "/assets/none.js"):
        headers = client.get(path).headers
        assert "default-src 'self'" in headers["content-security-policy"]
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert re.fullmatch(r"[0-9a-z]{26}", headers["x-request-id"])
    assert client.get("/v1/worklist").headers["cache-control"] == "no-store"


def test_a_request_id_from_outside_is_kept_only_if_it_cannot_forge_a_log_line(client: Browser) -> None:
    assert client.get("/livez", headers={"X-Request-ID": "proxy-1"}).headers["x-request-id"] == "proxy-1"
    assert client.get("/livez", headers={"X-Request-ID": "a b"}).headers["x-request-id"] != "a b"


def test_a_body_that_says_it_is_too_long_is_refused_before_it_is_read(client: Browser) -> None:
    answer = client.post("/v1/session", content=b"x", headers={"Content-Length": str(2 << 20)})
    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["connection"] == "close"


def test_a_body_without_length_is_cut_at_the_limit(client: Browser) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(64):
            yield b"x" * 65536

    answer = client.post("/v1/session", content=endless(), headers={"Content-Type": "application/json"})
    assert answer.status_code == 413


def test_a_mistake_of_ours_is_a_problem_and_shows_nothing_of_the_statement(
    app: FastAPI, client: Browser, capfd: pytest.CaptureFixture[str]
) -> None:
    from server import logs

    written = {"name": "王建国"}

    def fails() -> None:
        raise RuntimeError("wrapped") from OperationalError("INSERT", written, Exception("full"))

    app.add_api_route("/fails", fails)
    logs.configure("json")
    answer = client.get("/fails", headers={"Accept-Language": "en"})
    assert answer.status_code == 500
    assert answer.json()["type"] == "our-error"
    assert answer.headers["x-request-id"]
    logged = capfd.readouterr().err
    assert "wrapped" in logged
    assert "王建国" not in logged


def test_a_log_line_holds_no_query(client: Browser, capfd: pytest.CaptureFixture[str]) -> None:
    from server import logs

    logs.configure("json")
    client.get("/v1/feed?token=secret&after=1")
    logged = capfd.readouterr().err
    assert "/v1/feed" in logged
    assert "secret" not in logged


def test_json_is_compressed_for_slow_lines(client: Browser) -> None:
    assert client.get("/openapi.json", headers={"Accept-Encoding": "gzip"}).headers["content-encoding"] == "gzip"


def test_screens_that_are_not_built_are_a_sentence(tmp_path: Path) -> None:
    bare = FastAPI()
    bare.include_router(pages.router(tmp_path / "static"))
    with Browser(bare) as browser:
        answer = browser.get("/reader/")
    assert answer.status_code == 503
    assert "make web" in answer.text


def test_pages_are_asked_for_anew_and_assets_are_kept_for_good(tmp_path: Path) -> None:
    for file in (*pages.PAGES.values(), "assets/app-3f2a.js"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text("<p>")
    bare = FastAPI()
    bare.include_router(pages.router(tmp_path))
    bare.mount("/assets", pages.assets(tmp_path))
    with Browser(bare) as browser:
        for address in pages.PAGES:
            answer = browser.get(address)
            assert answer.status_code == 200
            assert answer.headers["cache-control"] == "no-cache"
            assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert "immutable" in browser.get("/assets/app-3f2a.js").headers["cache-control"]
        assert "immutable" not in browser.get("/assets/none.js").headers.get("cache-control", "")


def test_there_is_an_openapi_and_no_page_for_it(client: Browser) -> None:
    document = client.get("/openapi.json").json()
    assert document["info"]["title"] == "ecgnet"
    assert {"/v1/exams", "/v1/worklist", "/v1/session", "/livez", "/readyz", "/metrics"} <= set(document["paths"])
    assert client.get("/docs").status_code == 404
    assert client.get("/redoc").status_code == 404


def test_not_ready_names_the_part_that_does_not_work(client: Browser) -> None:
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["checks"] == {"ledger": True, "writer": True, "desk": False, "analysers": False}


def test_a_disk_that_fills_up_is_announced_and_makes_nobody_unready(app: FastAPI, client: Browser) -> None:
    free = 10_000 << 20
    app.state.space.probe = lambda _folder: free
    checks = client.get("/readyz").json()["checks"]
    for mib, level, number in ((10_000, "enough", 0), (2_000, "low", 1), (500, "kept", 2), (100, "last", 3)):
        free = mib << 20
        ready = client.get("/readyz").json()
        assert ready["disk"] == {"level": level, "free_mib": mib}
        assert ready["checks"] == checks
        figures = client.get("/metrics").text
        assert f"ecgnet_disk_level {number}.0" in figures
        (said,) = re.findall(r"^ecgnet_disk_free_bytes (\S+)$", figures, re.MULTILINE)
        assert float(said) == free


def test_the_limits_are_the_settings(tmp_path: Path, app: FastAPI) -> None:
    names = ("uploads_per_hour", "mib_per_hour", "open_uploads")
    given: dict[str, Any] = {
        f"{who}_{name}": 10 * k + 1 for k, (who, name) in enumerate((w, n) for w in ("device", "site") for n in names)
    }
    made = make_app(
        app.state.ledger,
        Settings(data=tmp_path, open_uploads=99, held_mib=6, disk_warn_mib=7, disk_keep_mib=3, **given),
    )
    limits = made.state.gate.limits
    assert limits == Limits(Measure(1, 11 << 20, 21), Measure(31, 41 << 20, 51), 99, 6 << 20)
    assert (made.state.space.folder, made.state.space.warn_bytes, made.state.space.keep_bytes) == (
        tmp_path, 7 << 20, 3 << 20,
    )  # fmt: skip
    elsewhere = Settings(data=tmp_path, database="postgresql+psycopg://db.example/ecgnet")
    assert make_app(app.state.ledger, elsewhere).state.space.free() is None


def test_every_figure_is_documented_and_every_documented_figure_exists(client: Browser) -> None:
    said = client.get("/metrics").text
    shown = set(re.findall(r"^# TYPE (\S+) ", said, re.MULTILINE))
    shown = {name.removesuffix("_total").removesuffix("_info") for name in shown}
    text = (REPOSITORY / "docs" / "metrics.md").read_text(encoding="utf-8")
    assert shown == set(re.findall(r"^\| `(ecgnet_\w+)` \|", text, re.MULTILINE))


def test_a_histogram_counts_cumulatively() -> None:
    histogram = health.Histogram((1.0, 2.0))
    for seconds in (0.5, 1.0, 1.5, 9.0):
        histogram.add(seconds)
    assert histogram.buckets() == [("1.0", 2.0), ("2.0", 3.0), ("+Inf", 4.0)]
    assert histogram.total == 12.0
