"""When a site goes live: somebody there was trained, and a test ECG came through.

Only a live site counts for coverage, and only its silence is told (``triage.silence``). An ECG that is sent earlier is
received and alerted like any other.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, select, update

from county import sites
from county.errors import NoTestEcg
from ledger import schema
from ledger.database import Transaction

_S, _E = schema.site.c, schema.exam.c
# How far a site is on its way to count.
_READY = select(_S.trained_at, _S.test_exam_id, _S.live_at).where(
    _S.county_id == bindparam("county"), _S.id == bindparam("site")
)
_SET_READY = (
    update(schema.site)
    .where(_S.county_id == bindparam("county"), _S.id == bindparam("site"))
    .values(trained_at=bindparam("to_trained"), test_exam_id=bindparam("to_test"), live_at=bindparam("to_live"))
)
# The newest ECG of a site that could be measured well enough; a drill's is none.
_MEASURED = (
    select(_E.id)
    .where(
        _E.county_id == bindparam("county"),
        _E.site_id == bindparam("site"),
        _E.grade.in_(("A", "B", "C")),
        _E.drill.in_([False]),
    )
    .order_by(_E.received_at.desc())
    .limit(1)
)


@dataclass(frozen=True, slots=True)
class Readiness:
    """How far a site is: somebody was trained at ``trained_at``, ``test_exam`` came through, it counts since
    ``live_at``.
    """

    trained_at: int | None
    test_exam: str | None
    live_at: int | None


def record_training(tx: Transaction, county: str, site: str, *, who: str = "", actor: str = "operator") -> Readiness:
    """Somebody at the site was trained (``who``: for the record); it is live once a test ECG came through too."""
    known = readiness(tx.connection, county, site)
    tx.audit(county, actor, "site.trained", site, detail={"who": who})
    return _set_ready(tx, county, site, known, trained_at=tx.now, test=known.test_exam, actor=actor)


def record_test(
    tx: Transaction, county: str, site: str, exam: str | None = None, *, actor: str = "operator"
) -> Readiness:
    """The site's test ECG came through: ``exam``, or its newest that could be measured (grade A to C).

    :class:`NoTestEcg` if there is none, or it is another site's, or could not be measured.
    """
    known = readiness(tx.connection, county, site)
    measured = _MEASURED if exam is None else _MEASURED.where(_E.id == exam)
    found = tx.connection.execute(measured, {"county": county, "site": site}).scalar_one_or_none()
    if found is None:
        raise NoTestEcg(
            "这个站点还没有一份测得出来的心电图（A 到 C 级）：请做一份测试图，等分析完成后再试。",
            "This site has sent no ECG that could be measured (grade A to C): send a test ECG, and try again once "
            "it was analysed.",
        )
    tx.audit(county, actor, "site.tested", site, detail={"exam": found})
    return _set_ready(tx, county, site, known, trained_at=known.trained_at, test=found, actor=actor)


def readiness(connection: Connection, county: str, site: str) -> Readiness:
    """How far the site is on its way to count; :class:`UnknownSite`."""
    sites.need(connection, county, site)
    return Readiness(*connection.execute(_READY, {"county": county, "site": site}).one())


def _set_ready(
    tx: Transaction, county: str, site: str, known: Readiness, *, trained_at: int | None, test: str | None, actor: str
) -> Readiness:
    is_ready = trained_at is not None and test is not None
    now = Readiness(trained_at, test, known.live_at or (tx.now if is_ready else None))
    values = {"to_trained": now.trained_at, "to_test": now.test_exam, "to_live": now.live_at}
    tx.connection.execute(_SET_READY, {"county": county, "site": site, **values})
    if known.live_at is None and now.live_at is not None:
        tx.audit(county, actor, "site.live", site)
    return now
