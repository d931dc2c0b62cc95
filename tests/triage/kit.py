"""What triage's tests share: a county, exams that are there as ingest leaves them, and analyses without an analyser."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import argon2
import zstandard
from sqlalchemy import insert, select, update

from county import counties, devices, people, rosters, secrets, sites
from county.access import Actor, Role
from county.passwords import PasswordHash
from ingest import receive
from ingest.context import Context
from ingest.identity import Identity
from ledger import events, schema
from ledger.clock import SECOND, Deadlines, ManualClock
from ledger.database import Ledger, Transaction
from ledger.ids import new_id
from triage import analyser, cases, escalation, review, views, wrong_patient
from triage.worker import RULESET, Outcome

HOUR = 3600 * SECOND
PASSWORD = "a password of the test"
# argon2 of it, by argon2-cffi with little memory: the real cost is measured elsewhere
HASHED = PasswordHash(argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD))
NO_PASSWORD = PasswordHash("no hash at all")  # sessions are rows here; nobody signs in
WANG = Identity(name="王建国", birth_date="1958-03-02", sex="male", card="C-1")
LI = Identity(name="李桂兰", birth_date="1949-01-20", sex="female", card="C-2")


def finding(code: str, **more: Any) -> dict[str, Any]:
    """A true finding."""
    evidence = [{"lead": "V2", "measure": "st_j_mv", "value": 0.3, "op": ">=", "limit": 0.2}]
    name = {"zh": code, "en": code}
    plain = {"code": code, "name": name, "state": "true", "certainty": "definite", "evidence": evidence}
    return {**plain, "argued": [], "notes": [], "source": "", "ruleset": RULESET, **more}


def document(*findings: dict[str, Any], grade: str = "A") -> dict[str, Any]:
    """A small analysis."""
    return {
        "schema": "ecgnet.analysis/1",
        "recording": {"patient": {"age_years": 64, "sex": "male"}},
        "quality": {"grade": grade, "advice": [{"code": "Q_BW", "zh": "请平躺", "en": "Lie still"}]},
        "measurements": {"heart_rate_bpm": 72.0, "qtc_ms": None},
        "findings": list(findings),
        "not_assessed": [],
    }


RED, ORANGE, YELLOW, GREEN = (finding(code) for code in ("STEMI_INF", "R_AVB3", "C_LBBB", "N_NORMAL"))


@dataclass
class World:
    """An open ledger with one county, two sites with a device each, and a person of each role."""

    ledger: Ledger
    clock: ManualClock
    county: str = ""
    site: str = ""
    other_site: str = ""
    key: str = ""
    other_key: str = ""
    actors: dict[str, Actor] = field(default_factory=dict[str, Actor])
    tokens: dict[str, str] = field(default_factory=dict[str, str])
    watch: escalation.Watch = field(init=False)
    recent: wrong_patient.Recent = field(default_factory=wrong_patient.Recent)

    def __post_init__(self) -> None:
        self.watch = escalation.Watch(Deadlines(self.clock))

    # --- exams and their analyses ---

    def exam(self, site: str | None = None, patient: Identity | None = None, **said: Any) -> str:
        """An exam as ingest leaves it; ``said``: urgent, symptoms, onset_at, fmc_at."""
        context = Context(**said) if patient is None else Context(identity=patient, **said)
        files = [("ecg.zip", new_id().encode())]
        ready = receive.prepare(receive.Submission(self.county, site or self.site, "d", files, context))
        return self.ledger.write(lambda tx: receive.accept(tx, ready)).exam

    def say(self, exam: str, patient: Identity | None = None, **said: Any) -> None:
        """A context that comes later."""
        context = Context(**said) if patient is None else Context(identity=patient, **said)
        self.ledger.write(lambda tx: receive.add_context(tx, self.county, exam, context, "d"))

    def analyse(self, exam: str, *findings: dict[str, Any], grade: str = "A", print_: bytes = b"") -> None:
        """The analysis of an exam, without an analyser; ``print_``: its fingerprint."""
        self.ledger.write(lambda tx: self.keep(tx, exam, document(*findings, grade=grade), print_))

    def keep(self, tx: Transaction, exam: str, analysis: dict[str, Any], print_: bytes = b"") -> None:
        """Keep an analysis and move the exam on, as the analyser does."""
        packed = zstandard.compress(json.dumps(analysis).encode())
        outcome = Outcome(packed, zstandard.compress(b"{}"), RULESET, "0")
        analyser.keep_analysis(tx, self.county, exam, analysis, outcome)
        quality = analysis["quality"]
        values = {"grade": quality["grade"], "advice": quality["advice"], "facts": analysis["recording"]["patient"]}
        values["fingerprint"] = print_ or None
        analyser.finish(tx, self.county, exam, "analyse", values)

    def rate(self) -> int:
        """Rate all that is due."""
        done = 0
        while now := cases.rate_due(self.ledger, self.recent):
            done += now
        return done

    def sent(self, *findings: dict[str, Any], grade: str = "A", print_: bytes = b"", **said: Any) -> str:
        """An exam with its analysis, rated."""
        exam = self.exam(**said)
        self.analyse(exam, *findings, grade=grade, print_=print_)
        self.rate()
        return exam

    def unread(self, **said: Any) -> str:
        """An exam that nothing analysed for 20 s."""
        exam = self.exam(**said)
        self.clock.advance(20)
        self.rate()
        return exam

    def unreadable(self, **said: Any) -> str:
        """An exam whose file cannot be read, rated."""
        exam, problem = self.exam(**said), {"code": "NOT_AN_ECG", "zh": "不是心电图文件", "en": "no ECG file"}
        self.ledger.write(lambda tx: analyser.finish(tx, self.county, exam, "cannot-read", {"problem": problem}))
        self.rate()
        return exam

    # --- what there is now ---

    def rows(self, table: Any, **where: Any) -> list[dict[str, Any]]:
        """Rows of the county with these values."""
        query = select(table).where(table.c.county_id == self.county)
        for name, value in where.items():
            query = query.where(table.c[name] == value)
        return self.ledger.read(lambda connection: [dict(row) for row in connection.execute(query).mappings()])

    def row(self, table: Any, **where: Any) -> dict[str, Any]:
        """The one row that there must be."""
        (found,) = self.rows(table, **where)
        return found

    def case_of(self, exam: str) -> dict[str, Any]:
        """The row of an exam's case."""
        return self.row(schema.case, id=self.row(schema.exam, id=exam)["case_id"])

    def alerts(self, case: str) -> list[dict[str, Any]]:
        """The alerts of a case, in order."""
        return sorted(self.rows(schema.alert, case_id=case), key=lambda alert: alert["seq"])

    def events(self, kind: str | None = None) -> list[dict[str, Any]]:
        """Events in order."""
        found = self.ledger.read(lambda connection: events.after(connection, self.county, 0, 100_000))
        return [event for event in found if kind is None or event["kind"] == kind]

    def shown(self, exam: str, who: str = "clinic") -> dict[str, Any]:
        """GET /v1/exams/{id}."""
        found = self.ledger.read(lambda connection: views.exam(connection, self.actors[who], exam))
        assert found is not None
        return found

    def worklist(self, who: str = "cardiologist") -> list[dict[str, Any]]:
        """The items of GET /v1/worklist."""
        return self.ledger.read(lambda connection: views.worklist(connection, self.actors[who], None))["items"]

    # --- what people do ---

    def do(self, who: str, action: str, case: str, seen: int | None = None, **more: Any) -> dict[str, Any]:
        """An action; ``seen`` is what the case has now unless said otherwise."""
        at = self.row(schema.case, id=case)["seq"] if seen is None else seen
        request = review.Request(action, case, at, more.pop("id", None), **more)
        return asyncio.run(review.act(self.ledger, self.actors[who], request))

    def opened(self, case: str, who: str = "cardiologist") -> dict[str, Any]:
        """GET /v1/cases/{id}."""
        return asyncio.run(review.open_case(self.ledger, self.actors[who], case))

    def passwords(self) -> None:
        """Everybody's password is :data:`PASSWORD`."""
        change = update(schema.person).where(schema.person.c.county_id == self.county)
        self.ledger.write(lambda tx: tx.connection.execute(change.values(password_hash=HASHED.encoded)) and None)

    def draft(self, case: str, *accepted: str, who: str = "cardiologist", **more: Any) -> dict[str, Any]:
        """Keep a draft with these statements accepted, and the machine's others rejected."""
        machine = [one["code"] for one in (self.opened(case, who)["report"] or {"statements": []})["statements"]]
        said = [{"code": code, "accepted": code in accepted} for code in dict.fromkeys((*machine, *accepted))]
        return self.do(who, "statements", case, statements=tuple(said), **more)

    def on_duty(self, **slots: str) -> None:
        """Put people on call for a day, and nobody else."""

        def put(tx: Transaction) -> None:
            tx.connection.execute(schema.shift.delete())
            for slot, who in slots.items():
                rosters.add(tx, self.county, slot, self.actors[who].id, tx.now - HOUR, tx.now + 24 * HOUR)

        self.ledger.write(put)

    def climb(self) -> int:
        """Climb what is due."""
        return escalation.climb_due(self.ledger, self.watch)

    def set(self, table: Any, which: str, **values: Any) -> None:
        """Change a row behind everyone's back."""
        change = update(table).where(table.c.county_id == self.county, table.c.id == which).values(**values)
        self.ledger.write(lambda tx: tx.connection.execute(change) and None)


PEOPLE = (
    ("cardiologist", Role.CARDIOLOGIST, None),
    ("second", Role.CARDIOLOGIST, None),
    ("chief", Role.CARDIOLOGIST, None),
    ("coordinator", Role.COORDINATOR, None),
    ("administrator", Role.ADMINISTRATOR, None),
    ("clinic", Role.CLINIC, "site"),
    ("neighbour", Role.CLINIC, "other_site"),
)


def make_world(ledger: Ledger, clock: ManualClock, name: str = "青石县") -> World:
    """A county with its people, each with a session."""
    world = World(ledger, clock)
    ledger.write(lambda tx: _fill(tx, world, name))
    return world


def _fill(tx: Transaction, world: World, name: str) -> None:
    county = world.county = counties.add_county(tx, name, "0996-120")
    world.site = sites.add(tx, county, "上坪村卫生室", "上坪乡", "0996-1")
    world.other_site = sites.add(tx, county, "下坪村卫生室", "下坪乡", "0996-2")
    _, world.key = devices.add(tx, county, world.site)
    _, world.other_key = devices.add(tx, county, world.other_site)
    for who, role, place in PEOPLE:
        site = None if place is None else getattr(world, place)
        person = people.add(tx, county, f"{name}{who}", role, NO_PASSWORD, site)
        session, token = new_id(), secrets.new(secrets.Kind.SESSION)
        row = {"county_id": county, "id": session, "person_id": person, "token_hash": secrets.fingerprint(token)}
        tx.connection.execute(insert(schema.session), {**row, "created_at": tx.now, "expires_at": tx.now + 24 * HOUR})
        world.actors[who] = Actor(county, person, f"{name}{who}", role, site, session=session)
        world.tokens[who] = token


def other_ledger(world: World, url: str) -> World:
    """The same county seen by another server process."""
    return replace(world, ledger=Ledger.open(url, world.clock))


def steps(world: World, alert: str) -> Sequence[tuple[int, str, list[str]]]:
    """An alert's calls in order: step, why, slots."""
    rows = sorted(world.rows(schema.ladder_step, alert_id=alert), key=lambda row: row["number"])
    return [(row["step"], row["why"], [call["slot"] for call in row["called"]]) for row in rows]
