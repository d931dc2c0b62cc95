"""Is the ledger whole: originals against their digests, exams against their originals, the audit against its chain."""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy import Connection, bindparam, select

from county import audit
from ledger import originals, schema
from ledger.database import counties

# Every original of a county.
_ORIGINALS = select(schema.original.c.sha256, schema.original.c.bytes).where(
    schema.original.c.county_id == bindparam("county")
)
# Exams whose original is not there, or has another length than the receipt said.
_WITHOUT = (
    select(schema.exam.c.id)
    .outerjoin(
        schema.original,
        (schema.original.c.county_id == schema.exam.c.county_id) & (schema.original.c.sha256 == schema.exam.c.sha256),
    )
    .where(
        schema.exam.c.county_id == bindparam("county"),
        (schema.original.c.sha256.is_(None)) | (schema.original.c.bytes != schema.exam.c.bytes),
    )
)
_EXAMS = select(schema.exam.c.id).where(schema.exam.c.county_id == bindparam("county"))


@dataclass(slots=True)
class Report:
    """How much was looked at, and a line for whatever is broken."""

    counties: int = 0
    originals: int = 0
    exams: int = 0
    broken: list[str] = field(default_factory=list[str])

    def summary(self) -> str:
        """One line for people."""
        seen = f"{self.counties} counties, {self.exams} exams, {self.originals} originals"
        if self.broken:
            return f"发现 {len(self.broken)} 处损坏 {len(self.broken)} broken: {seen}"
        return f"完好 whole: {seen}"


def verify(connection: Connection) -> Report:
    """Look at everything in one snapshot."""
    report = Report()
    for county in list(counties(connection)):
        report.counties += 1
        for row in connection.execute(_ORIGINALS, {"county": county}).all():
            report.originals += 1
            _check_original(connection, county, row.sha256, row.bytes, report)
        report.exams += len(connection.execute(_EXAMS, {"county": county}).all())
        for exam in connection.execute(_WITHOUT, {"county": county}).scalars():
            report.broken.append(f"exam {exam}: 原件缺失或长度不符 its original is missing or has another length")
        broken = audit.verify(connection, county)
        if broken is not None:
            report.broken.append(f"audit of {county}: 审计链断开 {broken}")
    return report


def _check_original(connection: Connection, county: str, sha256: str, size: int, report: Report) -> None:
    try:
        data = originals.get(connection, county, sha256)
    except originals.OriginalDamaged as error:
        report.broken.append(f"{error} 原件损坏")
        return
    if len(data) != size:
        report.broken.append(f"original {sha256}: 长度不符 {len(data)} bytes instead of {size}")
