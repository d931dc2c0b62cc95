"""The courier against a scripted county: what goes first, what resumes, what is never given up."""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import random
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from ingest.clinic import upload as uploads
from ingest.clinic.asking import Asking
from ingest.clinic.courier import Courier, read_item
from ingest.clinic.said import Said
from ingest.clinic.spool import Ecg, Spool, State
from ingest.clinic.upload import BLOCK_BYTES, Parcel, PassingError, Upload

BIG = random.Random(8).randbytes(600_000)
PAIN, SOS = Said(symptoms=("chest_pain",)), Said(urgent=True)


@dataclass
class County:
    """Enough of a county for tus, context and read-back; ``faults``: what the next requests get instead of an answer.

    A fault is a status, ``"cut"`` (nothing arrives) or ``"lost"`` (it is done, and the answer is lost).
    """

    faults: list[Any] = field(default_factory=list[Any])
    uploads: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    exams: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    asked: list[str] = field(default_factory=list[str])
    on_block: Any = None
    most: int = 10**9

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(f"{request.method} {request.url.path}")
        fault = self.faults.pop(0) if self.faults else None
        if fault == "cut":
            raise httpx.ConnectError("cut", request=request)
        if isinstance(fault, int):
            return httpx.Response(fault, headers={"Retry-After": "7"} if fault == 503 else {})
        answer = self._answer(request)
        if fault == "lost":
            raise httpx.ReadError("lost", request=request)
        return answer

    def _answer(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path == "/v1/uploads":
            if int(request.headers["Upload-Length"]) > self.most:
                return httpx.Response(413)
            name = f"/v1/uploads/{len(self.uploads)}"
            pairs = (pair.split() for pair in request.headers["Upload-Metadata"].split(","))
            said = {key: base64.b64decode(value).decode() for key, value in pairs}
            self.uploads[name] = {"length": int(request.headers["Upload-Length"]), "data": b"", "said": said}
            self._take(request, self.uploads[name])
            return self._reached(201, self.uploads[name], {"Location": name})
        if path.startswith("/v1/uploads/"):
            upload = self.uploads.get(path)
            if upload is None:
                return httpx.Response(404)
            if request.method == "PATCH":
                if int(request.headers["Upload-Offset"]) != len(upload["data"]):
                    return httpx.Response(409, headers={"Upload-Offset": str(len(upload["data"]))})
                self._take(request, upload)
            return self._reached(200 if request.method == "HEAD" else 204, upload, {})
        if path.endswith("/context"):
            self._say(self.exams[path.split("/")[3]], json.loads(request.read()))
            return httpx.Response(200, json={})
        return httpx.Response(200, json={})

    def _take(self, request: httpx.Request, upload: dict[str, Any]) -> None:
        """What comes, block by block: what came before the sender broke off is kept."""
        for block in request.stream:  # type: ignore[union-attr]
            upload["data"] += block
            if self.on_block is not None:
                self.on_block(upload)

    def _reached(self, status: int, upload: dict[str, Any], more: dict[str, str]) -> httpx.Response:
        headers = {"Upload-Offset": str(len(upload["data"])), **more}
        if len(upload["data"]) == upload["length"]:
            digest = hashlib.sha256(upload["data"]).hexdigest()
            exam = self.exams.setdefault(digest[:8], {"data": upload["data"], "urgent": False, "symptoms": []})
            exam["times"] = exam.get("times", 0) + (not upload.get("is_done"))
            upload["is_done"] = True
            self._say(exam, json.loads(upload["said"].get("context", "{}")))
            headers |= {"Ecgnet-Exam": digest[:8], "Ecgnet-Sha256": digest}
        return httpx.Response(status, headers=headers)

    def _say(self, exam: dict[str, Any], said: dict[str, Any]) -> None:
        exam["urgent"] |= bool(said.get("urgent"))
        exam["symptoms"] = sorted({*exam["symptoms"], *said.get("symptoms", [])})


@dataclass
class Line(httpx.BaseTransport):
    """Hands the body on as it comes (httpx's own mock gathers it first)."""

    county: County

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return self.county(request)


@dataclass
class Village:
    """A spool, a courier, and a clock that stands until somebody waits."""

    path: Path
    county: County = field(default_factory=County)
    now: float = 0.0
    waits: list[float] = field(default_factory=list[float])

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        """As after the plug was pulled: nothing but the spool's file is left."""
        if hasattr(self, "spool"):
            self.spool.close()
        count = itertools.count(1)
        self.spool = Spool(self.path / "spool.db", lambda: 10**15 + next(count))
        client = httpx.Client(base_url="http://county/", transport=Line(self.county))
        self.courier = Courier(self.spool, client, chance=lambda: 1.0, clock=lambda: self.now)

    def put(self, name: str, data: bytes, said: Said | None = None) -> int:
        which = self.spool.put(name, [(name, data)]).id
        if said is not None:
            self.spool.say(which, said)
        return which

    def run(self, turns: int = 200, until_s: float = 10_000.0) -> None:
        """Turns until nothing is owed."""
        for _ in range(turns):
            if self.spool.next() is None and not self.spool.owed() and not self.spool.owed_reads():
                return
            wait_s = self.courier.turn()
            if wait_s > 0:
                self.waits.append(wait_s)
                self.now += wait_s
            if self.now > until_s:
                return
        raise AssertionError(f"still owed after {turns} turns")

    def ecg(self, which: int) -> Ecg:
        found = self.spool.one(which)
        assert found is not None
        return found


@pytest.fixture
def village(tmp_path: Path) -> Iterator[Village]:
    made = Village(tmp_path)
    yield made
    made.spool.close()


def exam_of(village: Village, data: bytes) -> dict[str, Any]:
    return village.county.exams[hashlib.sha256(data).hexdigest()[:8]]


def test_an_urgent_one_goes_first_in_the_middle_of_another_and_both_arrive_once(village: Village) -> None:
    large = village.put("large.xml", BIG)

    def press(upload: dict[str, Any]) -> None:
        if len(upload["data"]) == 5 * BLOCK_BYTES and upload["length"] == len(BIG):
            village.put("urgent.xml", b"u", SOS)

    village.county.on_block = press
    village.run()
    ids = [ecg.id for ecg in sorted(village.spool.newest(), key=lambda one: one.received_at or 0)]
    assert ids == [2, large]
    assert exam_of(village, BIG)["data"] == BIG
    assert {exam["times"] for exam in village.county.exams.values()} == {1}
    assert len(village.county.uploads) == 2, "the large one went on where it was"
    assert village.waits == []


@pytest.mark.parametrize("fault", ["cut", "lost", 503, 500])
def test_every_fault_at_every_request_leads_to_one_exam_with_all_that_was_said(village: Village, fault: Any) -> None:
    for number in range(7):
        data = bytes([number]) * 3 + BIG[:300_000]
        village.county.faults = [None] * number + [fault]
        which = village.put(f"{number}.xml", data, PAIN)
        village.courier.turn()
        village.spool.say(which, SOS)  # while it is under way
        village.run()
        exam = exam_of(village, data)
        assert (exam["times"], exam["urgent"], exam["symptoms"]) == (1, True, ["chest_pain"])
        assert village.ecg(which).state is State.KEPT


def test_killed_after_any_request_it_goes_on_from_the_spool(village: Village) -> None:
    which = village.put("a.xml", BIG, PAIN)
    for _ in range(20):
        village.courier.turn()
        village.start()
        if village.ecg(which).is_received:
            break
    village.run()
    assert exam_of(village, BIG)["times"] == 1
    assert exam_of(village, BIG)["symptoms"] == ["chest_pain"]
    assert len(village.county.uploads) == 1
    sent = Counter(village.county.asked)
    assert sent["PATCH /v1/uploads/0"] == 4, "a small one that takes it over, then 600 KB in pieces of 256 KiB"


def test_bytes_that_a_broken_request_still_brought_are_gone_on_from_at_once(village: Village) -> None:
    village.put("a.xml", BIG)
    village.courier.turn()
    village.start()
    village.courier.turn()
    village.county.uploads["/v1/uploads/0"]["data"] = BIG[:5000]  # they come after the HEAD was answered
    village.run()
    told = [asked.split()[0] for asked in village.county.asked]
    assert told == ["POST", "HEAD", "PATCH", "PATCH", "PATCH", "PATCH", "PATCH"], "no question more"
    assert (village.waits, exam_of(village, BIG)["data"]) == ([], BIG)


def test_an_answer_before_the_body_was_sent_ends_the_connection_with_all_that_is_unsent() -> None:
    ends: list[str] = []

    def county(listener: socket.socket) -> None:
        line, _ = listener.accept()
        with line, line.makefile("rb") as read:
            for answer in (b"201 Created\r\nLocation: /v1/uploads/0", b"409 Conflict\r\nUpload-Offset: 0"):
                while read.readline().strip():
                    pass  # the head; of the PATCH's body nothing is read
                line.sendall(b"HTTP/1.1 " + answer + b"\r\nContent-Length: 0\r\n\r\n")
            try:
                while read.read(1024):
                    pass
                ends.append("all of it was sent")
            except ConnectionResetError:
                ends.append("reset")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=county, args=(listener,))
        thread.start()
        with uploads.client(f"http://127.0.0.1:{listener.getsockname()[1]}", "key") as client:
            upload = Upload(client, Parcel("a", BIG), {}, lambda *_: None)
            assert upload.step() is None
            with pytest.raises(PassingError, match="409"):
                upload.step()
            thread.join(10)
    assert ends == ["reset"]


def test_an_upload_that_the_county_forgot_is_begun_anew_with_all_that_was_said(village: Village) -> None:
    which = village.put("a.xml", BIG)
    for _ in range(2):
        village.courier.turn()
    village.county.uploads.clear()
    village.spool.say(which, SOS)
    village.start()
    village.run()
    assert exam_of(village, BIG)["urgent"]


def test_a_small_one_whose_line_breaks_each_time_goes_in_pieces_that_are_kept(village: Village) -> None:
    village.put("a.xml", BIG[:60_000])
    village.county.faults = ["cut"]
    village.run()
    assert village.county.asked[:3] == ["POST /v1/uploads", "POST /v1/uploads", "PATCH /v1/uploads/0"]


def test_a_wrong_key_loses_nothing_and_is_said(village: Village) -> None:
    which = village.put("a.xml", b"1", SOS)
    village.county.faults = [401] * 3
    village.courier.turn()
    assert village.courier.trouble is not None
    assert village.courier.trouble["code"] == "KEY"
    village.run()
    assert village.ecg(which).is_received
    assert village.courier.trouble is None
    assert max(village.waits) <= 5.0, "an urgent one is tried every five seconds"


def test_what_the_county_asks_for_is_waited(village: Village) -> None:
    village.put("a.xml", b"1")
    village.county.faults = [503]
    village.run()
    assert village.waits == [7.0]


def test_a_file_that_is_too_large_waits_for_a_person_and_holds_up_nobody(village: Village) -> None:
    village.county.most = 1_000
    large, small = village.put("large.xml", BIG), village.put("small.xml", b"1")
    village.run()
    assert (village.ecg(large).state, village.ecg(small).state) == (State.REFUSED, State.KEPT)
    assert (village.ecg(large).problem or {})["code"] == "TOO_LARGE"
    village.county.most = 10**9
    village.spool.again(large)
    village.run()
    assert village.ecg(large).is_received


def test_one_that_fails_by_itself_does_not_hold_up_the_next_and_is_never_given_up(village: Village) -> None:
    first, second = village.put("first.xml", b"1"), village.put("second.xml", b"2")
    village.county.faults = [500, None, 500, 404, 400]
    village.courier.turn()
    village.courier.turn()
    assert [village.ecg(one).is_received for one in (first, second)] == [False, True]
    village.run()
    assert village.ecg(first).is_received


def test_an_address_that_is_wrong_refuses_no_ecg(village: Village) -> None:
    village.put("a.xml", b"1")
    village.county.faults = [404] * 50
    for _ in range(20):
        village.now += village.courier.turn()
    assert [ecg.state for ecg in village.spool.newest()] == [State.SENDING]
    assert village.courier.trouble is not None


def test_that_it_was_read_is_told_until_the_county_knows_and_once(village: Village) -> None:
    which = village.put("a.xml", b"1")
    village.run()
    exam = {"exam": "e", "case": "c", "case_seq": 9, "stages": {"answered_at": "2026-01-01T00:00:00Z"}}
    for _ in range(2):
        village.spool.read(which, read_item(exam, None))  # pressed twice
    village.county.faults = ["cut", "lost"]
    village.run()
    assert village.county.asked.count("POST /v1/cases/c/read-back") == 3
    assert village.spool.owed_reads() == []


# --- asking and beating ----------------------------------------------------------------------------------------------


def test_the_beat_says_what_waits_and_hears_whom_to_ring_and_an_older_server_is_asked_seldom(village: Village) -> None:
    beats: list[dict[str, Any]] = []
    known = {"is": False}

    def county(request: httpx.Request) -> httpx.Response:
        if not request.url.path.endswith("/beat"):
            return httpx.Response(404)
        beats.append(json.loads(request.read()))
        heard = {"received_at": "2026-01-01T00:00:00Z", "county": {"name": "青禾县", "phone": "000-5550-120"}}
        return httpx.Response(200, json=heard) if known["is"] else httpx.Response(404)

    client = httpx.Client(base_url="http://county/", transport=httpx.MockTransport(county))
    asking = Asking(village.spool, client, "1.2", lambda: 10**15)
    village.put("a.xml", b"1")
    for now in (0.0, 1.0, 60.0, 599.0):
        asking.turn(now)
    assert len(beats) == 1
    known["is"] = True
    for now in (600.0, 601.0, 659.0, 660.0):
        asking.turn(now)
    assert len(beats) == 3
    assert (beats[0]["version"], beats[0]["waiting"], beats[0]["oldest_waiting_at"] is not None) == ("1.2", 1, True)
    assert "last" not in beats[1]
    assert beats[2]["last"]["received_at"] == "2026-01-01T00:00:00Z"
    assert village.spool.recall("county") == {"name": "青禾县", "phone": "000-5550-120"}


def test_what_became_of_each_is_asked_and_kept(village: Village) -> None:
    which = village.put("a.xml", b"1", SOS)
    village.run()
    asked: list[str] = []

    def county(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        return httpx.Response(200, json={"exam": "e", "case": "c", "stages": {"seen_at": "x"}})

    client = httpx.Client(base_url="http://county/", transport=httpx.MockTransport(county))
    asking = Asking(village.spool, client, "1", lambda: 10**15 + 5_000_000, _beat_at=1e9)
    for now in (0.0, 1.0, 2.0, 3.0):
        asking.turn(now)
    assert asked == [f"/v1/exams/{village.ecg(which).exam}"] * 2, "an urgent one every three seconds"
    assert (village.ecg(which).answer or {})["stages"] == {"seen_at": "x"}
