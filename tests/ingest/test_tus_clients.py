"""The clients of others as they come from their packages: over a line that resets, and while the server is killed."""

from __future__ import annotations

import hashlib
import io
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from tusclient.client import TusClient

from ledger import schema
from ledger.database import Ledger
from scripts import build_web
from tests.ingest.broken_line import BrokenLine
from tests.ingest.kit import World, make_world, prepare_database
from tests.support import needs

SEED = 7
BY_JS, BY_PY = random.Random(SEED).randbytes(900_000), random.Random(SEED + 1).randbytes(900_000)
_SERVER = (
    "import sys\n"
    "from ledger.database import Ledger\n"
    "from tests.ingest.kit import make_app, serving\n"
    "with serving(make_app(Ledger.open(sys.argv[1]))) as address:\n"
    "    print(address, flush=True)\n"
    "    sys.stdin.read()\n"
)


@pytest.fixture
def node() -> str:
    found = build_web.find_node()
    if found is None or not (needs.REPOSITORY / "web/node_modules/tus-js-client").is_dir():
        needs.missing(needs.TUS_JS_CLIENT, "no Node, or web/node_modules is not there; try `make test`")
    return str(found.folder / "node")


@pytest.fixture
def database(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path / 'ecgnet.db'}"
    prepare_database(url)
    return url


@pytest.fixture
def world(database: str) -> Iterator[World]:
    ledger = Ledger.open(database)
    yield make_world(ledger)
    ledger.close()


class Restarted:
    """A server process that is killed and started anew on another port; the line knows where it is."""

    def __init__(self, database: str, line: BrokenLine) -> None:
        self._database, self._line = database, line
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        command = [sys.executable, "-c", _SERVER, self._database]
        self._process = subprocess.Popen(
            command, cwd=needs.REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        at = urlsplit(self._process.stdout.readline().strip())
        assert at.hostname is not None
        assert at.port is not None
        self._line.server = (at.hostname, at.port)

    def kill(self) -> None:
        assert self._process is not None
        self._line.server = None
        with self._process as process:
            os.kill(process.pid, signal.SIGKILL)


def send_by_tuspy(address: str, key: str) -> None:
    client = TusClient(f"{address}/v1/uploads", headers={"Authorization": f"Bearer {key}"})
    uploader = client.uploader(file_stream=io.BytesIO(BY_PY), chunk_size=120_000, retries=400, retry_delay=0.025)
    uploader.upload()


def offsets(world: World) -> list[int]:
    return [row["offset"] for row in world.rows(schema.upload)]


def test_tus_js_client_and_tuspy_carry_their_files_through_resets_and_a_killed_server(
    world: World, database: str, node: str, tmp_path: Path
) -> None:
    (tmp_path / "js.xml").write_bytes(BY_JS)
    line = BrokenLine(SEED, 60_000, 150_000)
    server = Restarted(database, line)
    server.start()
    failed: list[BaseException] = []

    def by_tuspy() -> None:
        try:
            send_by_tuspy(line.address, world.other_key)
        except BaseException as error:  # noqa: BLE001 (the test's thread shows it)
            failed.append(error)

    python = threading.Thread(target=by_tuspy, daemon=True)
    script = Path(__file__).with_name("tus_js.mjs")
    command = [node, str(script), line.address, world.key, str(tmp_path / "js.xml")]
    try:
        python.start()
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as javascript:
            wait_for(lambda: len(offsets(world)) == 2 and min(offsets(world)) > 0, "both have begun")
            server.kill()
            before = offsets(world)
            server.start()
            said, complaint = javascript.communicate(timeout=60)
        python.join(60)
        assert not failed + [python] * python.is_alive()
        assert javascript.returncode == 0, complaint
        assert json.loads(said)["retries"] >= 3
    finally:
        server.kill()
        line.close()
    assert line.resets >= 6, "the line was too good for a test"
    assert max(before) < 900_000, "the kill came too late for a test"
    exams = {exam["site_id"]: exam for exam in world.rows(schema.exam)}
    assert len(world.rows(schema.exam)) == 2
    for site, data in ((world.site, BY_JS), (world.other_site, BY_PY)):
        assert exams[site]["sha256"] == hashlib.sha256(data).hexdigest()
        assert world.original(exams[site]["sha256"]) == data
    of_js = exams[world.site]
    assert (of_js["files"][0]["name"], of_js["symptoms"]) == ("心电图.xml", ["chest_pain"])


def wait_for(condition: Any, what: str, within_s: float = 20) -> None:
    until = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < until, what
        time.sleep(0.01)
