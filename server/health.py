"""Is it alive, is it ready, and what does it do: ``/livez``, ``/readyz``, ``/metrics``.

The rooms count nothing: every figure comes from the ledger at the moment of the scrape, so a restart loses none, and
two servers on one database say the same (take the maximum over them, not the sum). Counters are the county's numbered
events; histograms take the events since this process began. No label holds a name, a clinic or a patient;
`docs/metrics.md` lists every figure.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, InfoMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from sqlalchemy import Connection, bindparam, func, select

from ecg.analysis import VERSION
from ingest.limits import Gate
from ingest.space import Space
from ledger import schema
from ledger.clock import SECOND
from ledger.database import Ledger, counties
from server.shell import Feeds

router = APIRouter(tags=["operator"])

PROBE_S = 2.0  # a part that does not answer within this time is not ready

# --- alive and ready -----------------------------------------------------------------------------------------------


@router.get("/livez", summary="The process answers")
async def livez() -> dict[str, str]:
    """The process answers; nothing else is looked at."""
    return {"status": "alive", "version": VERSION}


@router.get("/readyz", summary="Ledger, writer, desk and analysers work", responses={503: {"description": "Not ready"}})
async def readyz(request: Request) -> JSONResponse:
    """200 if ledger, writer, desk and analysers work, else 503; ``checks`` says which do not. ``disk``: the room that
    is left, by :class:`ingest.space.Level`; it alone makes nobody unready, for acknowledgements still go through.
    """
    state = request.app.state
    ledger: Ledger = state.ledger
    checks = {
        "ledger": await _answers(ledger.aread(lambda connection: connection.execute(_ONE).scalar_one())),
        "writer": await _answers(ledger.awrite(lambda _transaction: None)),
        "desk": bool(state.desk.alive),
        "analysers": state.desk.workers_alive > 0,
    }
    ready = all(checks.values())
    space: Space = state.space
    free = space.free()
    disk = {"level": space.level().name.lower(), "free_mib": None if free is None else free >> 20}
    body = {"status": "ready" if ready else "not-ready", "checks": checks, "disk": disk}
    return JSONResponse(body, 200 if ready else 503, headers={"Cache-Control": "no-store"})


_ONE = select(1)


async def _answers(asked: Awaitable[Any]) -> bool:
    try:
        await asyncio.wait_for(asked, PROBE_S)
    except Exception:  # noqa: BLE001 (whatever it is, the part does not answer)
        return False
    return True


# --- figures -------------------------------------------------------------------------------------------------------

#: figure → (the kinds of event that it counts, what it is); one label a kind where there are several
COUNTED: dict[str, tuple[dict[str, str], str]] = {
    "ecgnet_exams_received": ({"exam.received": ""}, "ECGs received and safe in the ledger"),
    "ecgnet_analyses": (
        {"exam.analysed": "analysed", "exam.unreadable": "unreadable", "exam.failed": "failed"},
        "ECGs that the analysers are done with, by outcome",
    ),
    "ecgnet_alerts_raised": ({"alert.raised": ""}, "Alerts raised"),
    "ecgnet_alerts_acknowledged": ({"alert.acknowledged": ""}, "Alerts that a human answered"),
    "ecgnet_ladder_steps": ({"alert.climbed": ""}, "Rungs that alerts climbed because nobody had answered"),
    "ecgnet_roster_gaps": ({"roster.gap": ""}, "Rungs, and hours told beforehand, with nobody on call"),
}
_KINDS = sorted({kind for kinds, _ in COUNTED.values() for kind in kinds})

#: upper bounds in seconds; 180 and 600 are the answer times of RED and ORANGE (CLINICAL.md §5.6)
ANALYSIS_BOUNDS_S = (0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 60.0)
ANSWER_BOUNDS_S = (10.0, 20.0, 30.0, 47.0, 60.0, 120.0, 180.0, 300.0, 600.0, 1800.0)

_EVENT, _EXAM, _ALERT = schema.event.c, schema.exam.c, schema.alert.c
# How many events of each kind a county got beyond a number.
_TALLY = (
    select(_EVENT.kind, func.count().label("events"))
    .where(_EVENT.county_id == bindparam("county"), _EVENT.seq > bindparam("after"), _EVENT.kind.in_(_KINDS))
    .group_by(_EVENT.kind)
)
# Events of one kind beyond a number, with what is needed to time them.
_SINCE = (
    select(_EVENT.seq, _EVENT.at, _EVENT.case_id, _EVENT.data)
    .where(_EVENT.county_id == bindparam("county"), _EVENT.seq > bindparam("after"), _EVENT.kind == bindparam("kind"))
    .order_by(_EVENT.seq)
)
# When an exam was received.
_RECEIVED = select(_EXAM.received_at).where(
    _EXAM.county_id == bindparam("county"), _EXAM.id == bindparam("exam"), _EXAM.drill.in_([False])
)
# When the alerts were raised that one acknowledgement answered.
_RAISED = select(_ALERT.raised_at).where(
    _ALERT.county_id == bindparam("county"),
    _ALERT.case_id == bindparam("case"),
    _ALERT.acknowledged_at == bindparam("at"),
    _ALERT.drill.in_([False]),
)
# Exams that nothing has read yet, and since when.
_UNREAD = select(func.count(), func.min(_EXAM.received_at)).where(_EXAM.work_at.is_not(None), _EXAM.drill.in_([False]))
# Alerts that nobody has answered, and since when.
_UNANSWERED = select(func.count(), func.min(_ALERT.raised_at)).where(
    _ALERT.next_step_at.is_not(None), _ALERT.acknowledged_at.is_(None), _ALERT.drill.in_([False])
)
# The rung that is due longest.
_NEXT_STEP = select(func.min(_ALERT.next_step_at))
# A drill is in no figure: its events are taken off again, those of its case and those of its exam.
_DRILL_EVENTS = (
    select(_EVENT.kind, func.count().label("events"))
    .join(schema.case, (schema.case.c.county_id == _EVENT.county_id) & (schema.case.c.id == _EVENT.case_id))
    .where(schema.case.c.drill.in_([True]), _EVENT.kind.in_(_KINDS))
    .group_by(_EVENT.kind)
)
_DRILL_EXAMS = select(_EXAM.status, func.count().label("exams")).where(_EXAM.drill.in_([True])).group_by(_EXAM.status)
_LAST = select(schema.county.c.last_seq).where(schema.county.c.id == bindparam("county"))


@dataclass(slots=True)
class Histogram:
    """Counts by upper bound, as Prometheus wants them."""

    bounds: tuple[float, ...]
    counts: list[int] = field(default_factory=list[int])
    total: float = 0.0

    def __post_init__(self) -> None:
        self.counts = [0] * (len(self.bounds) + 1)

    def add(self, seconds: float) -> None:
        """One more value."""
        self.counts[next((i for i, bound in enumerate(self.bounds) if seconds <= bound), len(self.bounds))] += 1
        self.total += seconds

    def buckets(self) -> list[tuple[str, float]]:
        """Cumulative, the last one without bound."""
        names = [*map(str, self.bounds), "+Inf"]
        return [(name, float(sum(self.counts[: i + 1]))) for i, name in enumerate(names)]


@dataclass(slots=True)
class Tally:
    """What was counted so far, and up to which event of each county."""

    kinds: Counter[str] = field(default_factory=Counter[str])
    counted_to: dict[str, int] = field(default_factory=dict[str, int])
    timed_to: dict[str, int] = field(default_factory=dict[str, int])
    analysis: Histogram = field(default_factory=lambda: Histogram(ANALYSIS_BOUNDS_S))
    answer: Histogram = field(default_factory=lambda: Histogram(ANSWER_BOUNDS_S))

    def begin(self, connection: Connection) -> None:
        """Histograms take what happens from now on."""
        self.timed_to = {county: _last(connection, county) for county in list(counties(connection))}

    def catch_up(self, connection: Connection) -> None:
        """Take in every event since the last time."""
        for county in list(counties(connection)):
            last = _last(connection, county)
            for row in connection.execute(_TALLY, {"county": county, "after": self.counted_to.get(county, 0)}):
                self.kinds[row.kind] += row.events
            self._time(connection, county)
            self.counted_to[county] = self.timed_to[county] = last

    def _time(self, connection: Connection, county: str) -> None:
        after = self.timed_to.get(county, 0)
        for event in connection.execute(_SINCE, {"county": county, "after": after, "kind": "exam.analysed"}).all():
            exam = {"county": county, "exam": event.data["exam"]}
            for received_at in connection.execute(_RECEIVED, exam).scalars():
                self.analysis.add((event.at - received_at) / SECOND)
        for event in connection.execute(_SINCE, {"county": county, "after": after, "kind": "alert.acknowledged"}).all():
            answered = {"county": county, "case": event.case_id, "at": event.at}
            for raised_at in connection.execute(_RAISED, answered).scalars():
                self.answer.add((event.at - raised_at) / SECOND)


def _drills(connection: Connection) -> Counter[str]:
    """How many of the counted events were a drill's."""
    found: Counter[str] = Counter()
    for row in connection.execute(_DRILL_EVENTS):
        found[row.kind] += row.events
    for row in connection.execute(_DRILL_EXAMS):
        found["exam.received"] += row.exams
        # an exam's own events name no case; those of its end are called like the state it ended in
        found[f"exam.{row.status}"] += row.exams if row.status != "received" else 0
    return found


def _last(connection: Connection, county: str) -> int:
    return connection.execute(_LAST, {"county": county}).scalar_one()


class Figures(Collector):
    """Reads the ledger when it is asked; one scrape at a time."""

    def __init__(self, ledger: Ledger, feeds: Feeds, desk: Any, gate: Gate, space: Space) -> None:
        self._ledger, self._feeds, self._desk = ledger, feeds, desk
        self._gate, self._space = gate, space
        self._tally = Tally()
        self._drills: Counter[str] = Counter()
        self._now: dict[str, float] = {}
        ledger.read(self._tally.begin)

    def refresh(self) -> None:
        """Take the figures of this moment from the ledger."""
        began = time.perf_counter()
        self._ledger.write(lambda _transaction: None)
        commit_s = time.perf_counter() - began
        self._ledger.read(self._tally.catch_up)
        self._drills = self._ledger.read(_drills)
        self._now = self._ledger.read(self._moment) | {"commit_s": commit_s}

    def _moment(self, connection: Connection) -> dict[str, float]:
        now = self._ledger.clock.now()
        unread, unread_since = connection.execute(_UNREAD).one()
        unanswered, unanswered_since = connection.execute(_UNANSWERED).one()
        next_step = connection.execute(_NEXT_STEP).scalar_one()
        return {
            "unread": unread,
            "unread_s": _age_s(unread_since, now),
            "unanswered": unanswered,
            "unanswered_s": _age_s(unanswered_since, now),
            "late_s": _age_s(next_step, now),
        }

    def collect(self) -> Iterator[Metric]:
        """Every figure, in the order of `docs/metrics.md`."""
        yield InfoMetricFamily("ecgnet_build", "Version of the software", {"version": VERSION})
        yield from self._counted()
        yield _histogram("ecgnet_exam_to_analysis_seconds", "From receipt to analysis", self._tally.analysis)
        yield _histogram("ecgnet_alert_to_acknowledgement_seconds", "From alert to human answer", self._tally.answer)
        for name, what, value in self._gauges():
            yield GaugeMetricFamily(name, what, value)
        refused = CounterMetricFamily("ecgnet_uploads_refused", "Uploads beyond the measure of their sender (429)")
        refused.add_metric([], self._gate.refused)
        yield refused

    def _counted(self) -> Iterator[Metric]:
        for name, (kinds, what) in COUNTED.items():
            labelled = len(kinds) > 1
            family = CounterMetricFamily(name, what, labels=["outcome"] if labelled else [])
            for kind, label in kinds.items():
                counted = max(self._tally.kinds[kind] - self._drills[kind], 0)
                family.add_metric([label] if labelled else [], counted)
            yield family

    def _gauges(self) -> Iterable[tuple[str, str, float]]:
        now = self._now
        return (
            ("ecgnet_exams_unread", "ECGs that no analyser has finished", now["unread"]),
            ("ecgnet_oldest_unread_seconds", "Age of the oldest ECG that no analyser has finished", now["unread_s"]),
            ("ecgnet_alerts_unanswered", "Alerts that nobody has answered", now["unanswered"]),
            (
                "ecgnet_oldest_unanswered_seconds",
                "Age of the oldest alert that nobody has answered",
                now["unanswered_s"],
            ),
            ("ecgnet_ladder_late_seconds", "How long the next rung of any alert is overdue", now["late_s"]),
            ("ecgnet_commit_seconds", "An empty commit through the writer's queue", now["commit_s"]),
            ("ecgnet_open_feeds", "Open websockets of this process", self._feeds.open),
            ("ecgnet_uploads_under_way", "Bodies of uploads that this process is reading", self._gate.under_way),
            ("ecgnet_disk_level", "Room on the ledger's disk: 0 enough … 3 none for ECGs", self._space.level()),
            (
                "ecgnet_disk_free_bytes",
                "Room on the ledger's disk; -1 where it is elsewhere",
                _known(self._space.free()),
            ),
            ("ecgnet_analysers", "Analyser processes of this process that live", self._desk.workers_alive),
        )


def _known(value: int | None) -> float:
    return -1.0 if value is None else float(value)


def _age_s(since: int | None, now: int) -> float:
    return 0.0 if since is None else max(0.0, (now - since) / SECOND)


def _histogram(name: str, what: str, values: Histogram) -> Metric:
    return HistogramMetricFamily(name, what, buckets=values.buckets(), sum_value=values.total)


class Metrics:
    """The registry of one application; figures are gathered in a thread, one scrape after the other."""

    def __init__(self, ledger: Ledger, feeds: Feeds, desk: Any, gate: Gate, space: Space) -> None:
        self._figures = Figures(ledger, feeds, desk, gate, space)
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self._figures)
        self._turn = asyncio.Lock()

    async def text(self) -> bytes:
        """What Prometheus reads."""
        async with self._turn:
            return await asyncio.to_thread(self._gather)

    def _gather(self) -> bytes:
        self._figures.refresh()
        return generate_latest(self._registry)


@router.get("/metrics", summary="Figures for Prometheus", response_class=Response)
async def metrics(request: Request) -> Response:
    """The figures of `docs/metrics.md` as Prometheus text."""
    gathered: Metrics = request.app.state.metrics
    return Response(await gathered.text(), media_type=CONTENT_TYPE_LATEST)


def install(app: FastAPI) -> None:
    """Give the application its registry."""
    app.state.metrics = Metrics(app.state.ledger, app.state.feeds, app.state.desk, app.state.gate, app.state.space)
