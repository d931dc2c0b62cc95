"""Promise 5: two cardiologists never unknowingly read the same case, and nobody signs what was not on the screen.

Two doctors with screens of their own, which they look at now and then, do whatever they like with one case while its
patient's exams come in, its symptoms change and time passes. What each of them had on the screen is written down here,
by the test; after each action that was done the case's own history is searched for anything that came in between and
that the doctor had not seen. No rule of the desk is used for that: only what its events say.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from county.problem import Problem
from ingest.identity import Identity
from ledger import schema
from ledger.ids import new_id
from tests.promises.desk_town import town
from tests.promises.soaking import SOAK_S, tell
from tests.triage.kit import GREEN, ORANGE, PASSWORD, RED, YELLOW, World, finding

DOCTORS = ("cardiologist", "second")
READING = {"confirm", "downgrade", "stand-down", "statements", "sign", "amend"}
DECIDING = {"confirm", "downgrade", "stand-down", "sign", "amend"}

ACTIONS = ["acknowledge", "claim", "take", "release", *sorted(READING)]

_by_a_doctor = st.tuples(st.sampled_from(["look", "write", "write-and-sign", *ACTIONS]), st.sampled_from(DOCTORS))
_by_the_world = st.sampled_from(
    [("exam", "RED"), ("exam", "ORANGE"), ("exam", "YELLOW"), ("exam", "GREEN"), ("wait", "10"), ("wait", "301"),
     ("press", "")]
)  # fmt: skip
_steps = st.lists(_by_a_doctor | _by_a_doctor | _by_the_world, min_size=6, max_size=16)
FOUND = {"RED": RED, "ORANGE": ORANGE, "YELLOW": YELLOW, "GREEN": GREEN}


class Night:
    """One case, two doctors, and what each has on the screen."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.patient = Identity(name="某人", card=new_id())
        self.exam = world.sent(finding("R_AVB3"), patient=self.patient)
        self.case = world.case_of(self.exam)["id"]
        self.seen: dict[str, int] = dict.fromkeys(DOCTORS, world.opened(self.case)["seq"])
        self.codes: dict[str, tuple[str, ...]] = dict.fromkeys(DOCTORS, ("R_AVB3",))

    def look(self, who: str) -> None:
        shown = self.world.opened(self.case, who)
        self.seen[who] = shown["seq"]
        self.codes[who] = tuple(one["code"] for one in (shown["report"] or {"statements": []})["statements"])

    def since(self, who: str, until: int) -> list[dict[str, Any]]:
        """What came after the doctor's screen and before their own action's event."""
        mine = [event for event in self.world.events() if event["case_id"] == self.case]
        return [event for event in mine if self.seen[who] < event["seq"] <= until]

    def do(self, step: tuple[str, str]) -> None:
        what, more = step
        if what == "look":
            self.look(more)
        elif what == "exam":
            self.world.sent(FOUND[more], patient=self.patient)
        elif what == "wait":
            self.world.clock.advance(float(more))
        elif what == "press":
            self.world.say(self.exam, urgent=True)
            self.world.rate()
        elif what.startswith("write"):
            self.look(more)
            self.act("statements", more)
            if what.endswith("sign"):
                self.act("sign", more)
        else:
            self.act(what, more)

    def act(self, action: str, who: str) -> None:
        before = self.world.row(schema.case, id=self.case)
        last = self.world.events()[-1]["seq"]
        said: dict[str, Any] = {"password": PASSWORD, "note": "补充", "colour": "GREEN"}
        said["reason"] = "take_over" if action == "take" else "other"
        said["statements"] = tuple({"code": code, "accepted": True} for code in self.codes[who])
        if action in ("claim", "release"):
            said.pop("reason")
        name = {"take": "claim"}.get(action, action)
        answer = self.answered(who, name, said)
        if isinstance(answer, Problem):
            assert answer.status in (409, 422), answer
            assert self.world.events()[-1]["seq"] == last  # refused: nothing changed
            return
        self.check(action, who, before, last)
        self.seen[who] = answer["seq"]
        self.codes[who] = tuple(one["code"] for one in (answer["report"] or {"statements": []})["statements"])

    def answered(self, who: str, action: str, said: dict[str, Any]) -> dict[str, Any] | Problem:
        try:
            return self.world.do(who, action, self.case, seen=self.seen[who], **said)
        except Problem as problem:
            return problem

    def check(self, action: str, who: str, before: dict[str, Any], last: int) -> None:
        """The history holds nothing that this doctor should have seen before doing this."""
        me = self.world.actors[who].id
        between = self.since(who, last)
        theirs = before["owner_until_at"] is not None and before["owner_until_at"] > self.world.clock.at
        is_anothers = theirs and before["owner_id"] not in (None, me)
        if action in READING | {"acknowledge", "claim", "take"} and is_anothers:
            took = [event for event in between if (event["data"].get("owner") or {}).get("id") == before["owner_id"]]
            assert took == [], "read without knowing that another reads it"
        if action in {"claim", "statements", "sign", "amend"}:
            assert not is_anothers, "written into another's hand"
        if action in DECIDING | {"statements"}:
            news = [
                event
                for event in between
                if event["kind"] in ("case.opened", "alert.raised") or "rated" in event["data"]
            ]
            assert news == [], "decided on what was not on the screen"
        if action in {"sign", "amend"}:
            assert [event for event in between if "report" in event["data"]] == [], "signed an unseen report"
            newest = max(self.world.rows(schema.report, case_id=self.case), key=lambda row: row["number"])
            assert newest["signed_by"] == me
            assert all(one["accepted"] is not None for one in newest["statements"])
            assert newest["exam_id"] == before["exam_id"]


@pytest.mark.parametrize(("engine_url", "examples"), [("sqlite", 30), ("postgresql", 10)], indirect=["engine_url"])
def test_nobody_reads_or_signs_unknowingly(engine_url: str, examples: int) -> None:
    with town(engine_url) as world:

        @given(_steps)
        @example([("write-and-sign", "cardiologist"), ("look", "second"), ("amend", "second")])
        @settings(max_examples=examples + int(2 * SOAK_S), deadline=None, suppress_health_check=[HealthCheck.too_slow])
        def a_night(steps: list[tuple[str, str]]) -> None:
            night = Night(world)
            for step in steps:
                night.do(step)

        a_night()
        signed = len(world.events("case.signed"))
        assert signed, "no night signed anything: the promise was not tried"
        engine = "sqlite" if engine_url.startswith("sqlite") else "postgresql"
        tell("desk 5", engine, nights=examples + int(2 * SOAK_S), signed=signed)
