"""Promise 6: a wrong, missing, replayed or revoked key gets nothing, learns nothing, and is recorded.

Every route of a device is asked, on a real socket, with every kind of key that opens nothing, about uploads and exams
that are there and that never were. The answers are compared as bytes: status line, headers in their order, body; only
the date and the request's own id are taken out. None may differ from another, nothing in the ledger may move, and each
request is on record: in the log with its id, a key that was revoked or replaced in the audit too, and no key anywhere.
A one-time code that is replayed is answered like one that never was.
"""

from __future__ import annotations

import json
import re
import socket
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from county import devices, enrolment, secrets
from ledger import schema
from ledger.ids import new_id
from tests.promises.ingest_house import Line, Nodes, Nursery, create_headers, form, nodes, patch_headers
from tests.promises.soaking import tell
from tests.support.serving import World, free_port, make_world, wait_until

TABLES = (schema.exam, schema.original, schema.upload, schema.upload_piece, schema.event, schema.patient)
_OWN = re.compile(rb"\r\n(?:date|x-request-id): [^\r]*", re.IGNORECASE)
_numbers = count(1)


@dataclass(frozen=True, slots=True)
class Asked:
    """One request of a device."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes = b""

    def raw(self, credentials: dict[str, str], request_id: str) -> bytes:
        """As bytes on the line."""
        headers = {"Host": "county", "Tus-Resumable": "1.0.0", "X-Request-ID": request_id, **credentials}
        headers |= {**self.headers, "Content-Length": str(len(self.body)), "Connection": "close"}
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"{self.method} {self.path} HTTP/1.1\r\n{head}\r\n".encode() + self.body


def ask(port: int, raw: bytes) -> bytes:
    """The whole answer, as it came."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as line:
        line.sendall(raw)
        got = bytearray()
        while data := line.recv(65536):
            got += data
    return bytes(got)


def keys_that_open_nothing(world: World, live: str) -> dict[str, dict[str, str]]:
    """Name → the headers that carry it."""

    def bearer(key: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {key}"}

    with world.ledger() as ledger:
        revoked_id, revoked = ledger.write(lambda tx: devices.add(tx, world.county, world.site))
        ledger.write(lambda tx: devices.revoke(tx, world.county, revoked_id, reason="stolen"))
        old_id, old = ledger.write(lambda tx: devices.add(tx, world.county, world.site))
        ledger.write(lambda tx: devices.rotate(tx, world.county, old_id))
    return {
        "missing": {},
        "empty": {"Authorization": "Bearer "},
        "another scheme": {"Authorization": f"Basic {live}"},
        "nonsense": bearer("wrong"),
        "never was": bearer(secrets.new(secrets.Kind.DEVICE)),
        "one letter off": bearer(live[:-1] + ("A" if live[-1] != "A" else "B")),
        "cut short": bearer(live[:-1]),
        "longer": bearer(f"{live}x"),
        "revoked": bearer(revoked),
        "replayed after it was replaced": bearer(old),
        "a session that never was": bearer(secrets.new(secrets.Kind.SESSION)),
        "as a cookie": {"Cookie": f"ecgnet_session={live}"},
        "in another header": {"X-Api-Key": live},
    }


def requests_of_a_device(exam: str, upload: str, offset: int) -> list[tuple[str, Asked]]:
    """Each route, about something that is there and something that never was; the same name: the same answer."""
    form_headers, form_body = form(b"an ECG", {"urgent": True})
    asked = [
        ("send", Asked("POST", "/v1/exams", form_headers, form_body)),
        ("begin", Asked("POST", "/v1/uploads", create_headers(4_000))),
        ("begin", Asked("POST", "/v1/uploads", create_headers(6, whole=True), b"an ECG")),
        ("begin", Asked("POST", "/v1/uploads", {"Upload-Length": "no number"})),
    ]
    for which in (upload, new_id()):
        place = f"/v1/uploads/{which}"
        asked += [
            ("how far", Asked("HEAD", place, {})),
            ("go on", Asked("PATCH", place, patch_headers(offset), b"more")),
            ("go on", Asked("PATCH", place, patch_headers(offset + 1), b"more")),
            ("go on", Asked("PATCH", place, {}, b"more")),
            ("forget", Asked("DELETE", place, {})),
        ]
    for which in (exam, new_id()):
        place = f"/v1/exams/{which}"
        asked += [
            ("see", Asked("GET", place, {})),
            ("original", Asked("GET", f"{place}/original", {})),
            ("say", Asked("POST", f"{place}/context", {"Content-Type": "application/json"}, b'{"urgent": true}')),
        ]
    return asked


def kept(world: World) -> dict[str, Any]:
    """What must not move."""
    return {table.name: sorted(map(repr, world.rows(table))) for table in TABLES}


def test_a_key_that_opens_nothing_learns_nothing(nursery: Nursery, engine_url: str, tmp_path: Path) -> None:
    world, port = make_world(engine_url, tmp_path), free_port()
    with nodes(nursery, world, port) as servers:
        exam, upload = _something_to_find(world, port)
        keys, before = keys_that_open_nothing(world, world.key), kept(world)
        told: dict[str, set[bytes]] = {}
        ids: list[str] = []
        for what, asked in requests_of_a_device(exam, upload, 1_000):
            for credentials in keys.values():
                ids.append(f"refused-{next(_numbers)}")
                answer = ask(port, asked.raw(credentials, ids[-1]))
                assert answer.startswith(b"HTTP/1.1 401 "), (what, asked, answer)
                told.setdefault(what, set()).add(_OWN.sub(b"", answer))
        different = {what: answers for what, answers in told.items() if len(answers) > 1}
        assert not different, different
        assert kept(world) == before, "something was stored"
        _assert_recorded(world, servers, keys, ids)
        codes = _assert_codes_tell_nothing(world, port)
        tell(
            6,
            engine="sqlite" if engine_url.startswith("sqlite") else "postgresql",
            refused=len(ids) + codes,
            learned=0,
            stored=0,
        )
    world.close()


def _something_to_find(world: World, port: int) -> tuple[str, str]:
    """An exam, and an upload at byte 1,000."""
    with Line(port, world.key) as line:
        headers, body = form(b"a secret ECG", {"patient": {"name": "王建国", "card": "C1"}})
        exam = json.loads(line.ask("POST", "/v1/exams", headers, body).body)["exam"]
        where = line.ask("POST", "/v1/uploads", create_headers(4_000)).headers["location"]
        assert line.ask("PATCH", where, patch_headers(0), b"x" * 1_000).offset == 1_000
    return exam, where.rpartition("/")[2]


def _assert_recorded(world: World, servers: Nodes, keys: dict[str, dict[str, str]], ids: list[str]) -> None:
    """Each request in the log, with its id and 401; the two keys out of use in the audit; no key in either."""

    def is_audited() -> list[dict[str, Any]]:
        rows = [row for row in world.rows(schema.audit) if row["action"] == "device.refused"]
        return rows if len(rows) >= 2 else []

    rows = wait_until(is_audited, 30, "the revoked and the replaced key in the audit")
    assert len({row["detail"]["device"] for row in rows}) == len(rows) == 2
    assert {row["place"] for row in rows} == {world.site}
    assert {row["detail"]["address"] for row in rows} == {"127.0.0.1"}
    lines = [json.loads(line) for line in servers.log().splitlines() if line.startswith("{")]
    answered = {line["request"]: line["status"] for line in lines if line.get("event") == "request"}
    assert {answered.get(one) for one in ids} == {401}
    assert [line for line in lines if line.get("event") == "a key was refused"]
    written = servers.log() + json.dumps(world.rows(schema.audit), ensure_ascii=False)
    secret = [value.rpartition(" ")[2].rpartition("=")[2] for headers in keys.values() for value in headers.values()]
    assert not [one for one in secret if one not in ("", "wrong") and one in written]


def _assert_codes_tell_nothing(world: World, port: int) -> int:
    """A one-time code that was used, is over, or never was: the same bytes, each on record."""
    with world.ledger() as ledger:
        used = ledger.write(lambda tx: enrolment.begin(tx, world.county, world.site)).code
        over = ledger.write(lambda tx: enrolment.begin(tx, world.county, world.site)).code
        end = schema.enrolment.update().where(
            schema.enrolment.c.code_hash == secrets.fingerprint(enrolment.plain(over))
        )
        ledger.write(lambda tx: tx.connection.execute(end.values(expires_at=1)).rowcount)

    def exchanged(code: str) -> bytes:
        body = json.dumps({"code": code}).encode()
        return ask(port, Asked("POST", "/v1/devices/enrol", {"Content-Type": "application/json"}, body).raw({}, "x"))

    before = len(world.rows(schema.device))
    assert exchanged(used).startswith(b"HTTP/1.1 201 ")
    codes = (used, over, enrolment.new_code())
    answers = {_OWN.sub(b"", exchanged(code)) for code in codes}
    assert len(answers) == 1, answers
    assert answers.pop().startswith(b"HTTP/1.1 401 ")
    assert len(world.rows(schema.device)) == before + 1
    whys = [row["detail"]["why"] for row in world.rows(schema.audit) if row["action"] == "enrolment.refused"]
    assert whys == ["used", "expired", "unknown"]
    return len(codes)
