"""The page's server: this computer alone, no foreign page, bounded bodies; its words and its language level."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from ingest.clinic.page import MAX_BODY_BYTES, Page, document
from ingest.clinic.said import SYMPTOMS, Said
from ingest.clinic.spool import DiskFullError, IllegalMove
from tests.support.needs import REPOSITORY

OURS = {"X-Ecgnet": "1"}


@dataclass
class Backend:
    """Notes what was pressed."""

    pressed: list[tuple[Any, ...]] = field(default_factory=list[tuple[Any, ...]])
    refuse: Exception | None = None

    def state(self) -> dict[str, Any]:
        return {"ecgs": [], "change": 1}

    def wait_for_change(self, known: int, seconds: float) -> int:
        return known + 1

    def say(self, which: int, more: Said) -> None:
        if self.refuse is not None:
            raise self.refuse
        self.pressed.append(("say", which, more))

    def read(self, which: int, message: str | None) -> None:
        self.pressed.append(("read", which, message))

    def again(self, which: int) -> None:
        self.pressed.append(("again", which))

    def drawing(self, which: int, language: str) -> str | None:
        return "<svg/>" if which == 1 else None


@pytest.fixture
def backend() -> Backend:
    return Backend()


@pytest.fixture
def line(backend: Backend) -> Iterator[httpx.Client]:
    page = Page(backend, 0)
    with httpx.Client(base_url=page.address, trust_env=False) as client:
        yield client
    page.close()


def test_it_answers_on_this_computer_alone(line: httpx.Client) -> None:
    assert line.base_url.host == "127.0.0.1"
    assert line.get("/").status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},  # a foreign page may not send the header without asking first
        {**OURS, "Host": "county.example"},  # a name that was bound to this computer
        {**OURS, "Origin": "https://evil.example"},
        {**OURS, "Origin": "null"},
    ],
)
def test_a_foreign_page_reads_nothing_and_presses_nothing(
    line: httpx.Client, backend: Backend, headers: dict[str, str]
) -> None:
    assert line.get("/state", headers=headers).status_code == 403
    assert line.get("/drawing?id=1", headers=headers).status_code == 403
    assert line.post("/say", headers=headers, json={"id": 1, "urgent": True}).status_code == 403
    assert backend.pressed == []


def test_no_answer_invites_a_foreign_page_or_is_kept(line: httpx.Client) -> None:
    for answer in (line.get("/"), line.get("/state", headers=OURS), line.options("/say", headers=OURS)):
        assert "access-control-allow-origin" not in answer.headers
    page = line.get("/")
    assert page.headers["cache-control"] == "no-store"
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    assert "unsafe" not in page.headers["content-security-policy"]
    assert line.get("/").headers["content-security-policy"] != page.headers["content-security-policy"]


def test_the_buttons_reach_the_program(line: httpx.Client, backend: Backend) -> None:
    origin = {**OURS, "Origin": str(line.base_url).rstrip("/")}
    said = {"id": 3, "urgent": True, "symptoms": ["chest_pain", "hiccups"], "patient": {"name": " 王建国 ", "x": "y"}}
    assert line.post("/say", headers=origin, json=said).status_code == 200
    assert line.post("/read", headers=OURS, json={"id": 3, "message": "m"}).status_code == 200
    assert line.post("/read", headers=OURS, json={"id": 3, "message": 4}).status_code == 200
    assert line.post("/again", headers=OURS, json={"id": 3}).status_code == 200
    what = Said(urgent=True, symptoms=("chest_pain",), patient={"name": "王建国"})
    assert backend.pressed == [("say", 3, what), ("read", 3, "m"), ("read", 3, None), ("again", 3)]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b'{"id": "x"}', b'{"id": null}', b'{"id": 1e999}'])
def test_what_is_no_request_is_refused(line: httpx.Client, backend: Backend, body: bytes) -> None:
    assert line.post("/say", headers=OURS, content=body).status_code == 400
    assert backend.pressed == []


def test_bodies_are_bounded_and_refusals_are_told_apart(line: httpx.Client, backend: Backend) -> None:
    refused = line.post("/say", headers=OURS, content=b" " * (MAX_BODY_BYTES + 1))
    assert refused.status_code == 413
    assert refused.headers["connection"] == "close"  # else the next request is sent into a line that will be cut
    assert line.post("/nothing", headers=OURS, json={"id": 1}).status_code == 404
    assert line.get("/drawing?id=2", headers=OURS).status_code == 404
    assert line.get("/drawing?id=1", headers=OURS).headers["content-type"] == "image/svg+xml"
    backend.refuse = IllegalMove("x")
    assert line.post("/say", headers=OURS, json={"id": 1}).status_code == 409
    backend.refuse = DiskFullError("x")
    assert line.post("/say", headers=OURS, json={"id": 1}).status_code == 507


def test_a_taken_port_moves_on_to_a_free_one(backend: Backend, line: httpx.Client) -> None:
    port = line.base_url.port
    assert port is not None
    other = Page(backend, port)
    assert other.address != str(line.base_url)
    other.close()


# --- the page itself -------------------------------------------------------------------------------------------------

SCRIPT = (REPOSITORY / "ingest" / "clinic" / "page.js").read_text("utf-8")
WORDS = dict(re.findall(r"^    (\w+): \[(.+)\],?$", SCRIPT.partition("var PAIN")[0], re.MULTILINE))


def test_every_word_is_there_in_both_languages() -> None:
    assert len(WORDS) > 80
    for key, both in WORDS.items():
        zh, en = re.findall(r"'(?:[^'\\]|\\.)*'|\"[^\"]*\"", both)
        assert set(re.findall(r"{\w+}", zh)) == set(re.findall(r"{\w+}", en)), key
        assert not re.search(r"[\u4e00-\u9fff]", en) or key == "other", key
        assert not re.search(r"[!！]", zh), key
    used = set(re.findall(r"\bt\('(\w+)'", SCRIPT))
    assert {key for key in used if not key.endswith("_")} <= WORDS.keys()
    assert {f"sx_{name}" for name in (*SYMPTOMS[1:], "none")} <= WORDS.keys()


def test_it_brings_everything_with_it() -> None:
    html = document("n").decode()
    assert not re.search(r"(src|href)=\"(?!tel:)", html)
    assert "http://www.w3.org/2000/svg" in html
    assert not re.findall(r"https?://(?!www\.w3\.org)", html)


def test_old_browsers_understand_its_script() -> None:
    acorn = REPOSITORY / "web" / "node_modules" / "acorn" / "dist" / "acorn.js"
    node = shutil.which("node")
    if node is None or not acorn.exists():
        pytest.skip("node and web/node_modules are needed to parse the page's script")
    parse = f"require({str(acorn)!r}).parse(require('fs').readFileSync(0, 'utf8'), {{ecmaVersion: 5}})"
    done = subprocess.run([node, "-e", parse], input=SCRIPT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    css = document("n").decode()
    for newer in (" gap:", "inset:", "aspect-ratio", ":has(", ":is(", "clamp(", "color-mix", "@layer", "grid"):
        assert newer not in css.split("</style>")[0], newer
