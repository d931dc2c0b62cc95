"""The desk's answers as types: what ``/openapi.json`` says of them, and what the screens' TypeScript is made from.

They describe; :mod:`triage.views` makes the answers, and a test holds each real answer against its type here, with no
field too many and none too few.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from triage.rating import Colour
from triage.states import Case, Exam, Merge, Report

Time = Annotated[str, Field(description="UTC, ISO 8601 with microseconds.", examples=["2026-11-24T03:10:05.000000Z"])]


class Document(BaseModel):
    """What all have in common: a field that is not listed is a mistake of ours."""

    model_config = ConfigDict(extra="forbid")


class Say(Document):
    """A sentence in both languages."""

    zh: str
    en: str


class CodedSay(Say):
    """A sentence with the code that it stands for."""

    code: str


class Critical(Say):
    """A critical value (危急值): its number in the table of CLINICAL.md §4.9 and its name."""

    item: int


class Reason(CodedSay):
    """Why it has its colour: the finding's code, `URGENT`, `UNREAD`, `ACS_SX`, …; `why` says it in full."""

    why: list[Say] = []
    critical: list[Critical] = []


class Who(Document):
    """A person or a device."""

    id: str
    name: str


class Evidence(Document):
    """One line of evidence; `lead` is null for a global measure."""

    lead: str | None
    measure: str
    value: float
    op: str
    limit: float | None


class Patient(Document):
    """Who it is, as far as known; of the ID number only the last four digits. `number`: what somebody without a name
    is called until then (无名氏 `20261124-1432-K7`)."""

    name: str | None
    number: str | None
    sex: str | None
    age_years: float | None
    id_tail: str | None


class Conflict(Document):
    """Another identity that came with the same bytes."""

    name: str | None
    sex: str | None
    birth_date: str | None
    id_tail: str | None
    at: str | None


class Alert(Document):
    """The case's latest call; `next_step_at` is null once the ladder has ended."""

    id: str
    colour: Colour
    reason: Reason
    evidence: list[Evidence]
    raised_at: Time
    step: int
    next_step_at: Time | None
    acknowledged_at: Time | None
    stopped_at: Time | None
    stop_reason: str | None
    seq: int


class Held(CodedSay):
    """Nobody confirms, downgrades or signs before a human has looked; `exam` is the other one."""

    exam: str


class Item(Document):
    """A row of the worklist. `colour` is null while nothing has read the tracing; `seq`: the case's last event."""

    case: str
    colour: Colour | None
    reason: Reason
    state: Case
    owner: Who | None
    owner_until_at: Time | None
    held: Held | None
    drill: bool
    site: str
    site_name: str
    township: str
    phone: str
    patient: Patient | None
    doubt: Say | None
    symptoms: list[str]
    urgent: bool
    grade: str | None
    exam: str
    exam_status: Exam
    seq: int
    opened_at: Time
    due_at: Time
    received_at: Time
    onset_at: Time | None
    fmc_at: Time | None
    alert: Alert | None


class Worklist(Document):
    """Open cases, most urgent first, and the number of the last event, of one snapshot."""

    seq: int
    items: list[Item]
    next: str | None


class Answer(Say):
    """What a doctor decided, in the village's words, with its one action."""

    colour: Colour
    action: Say
    decision: Literal["confirm", "downgrade", "stand-down", "sign", "amend"]
    reason: CodedSay | None = None
    note: str | None = None
    read_back: str | None = None
    by: Who | None
    at: Time


class HistoryLine(Document):
    """One event of a case; `what`: of a `case.changed`, what was done."""

    seq: int
    at: Time
    kind: str
    actor: Who | None
    what: Literal["decision", "retake", "stopped", "released", "report", "merged", "held", "owner"] | None
    reason: str | None
    step: int | None
    colour: Colour | None


class Statement(Document):
    """One statement of a report; `accepted` is null while nobody has decided about the machine's finding."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    code: str
    name: Say
    from_: Literal["finding", "doctor"] = Field(alias="from")
    accepted: bool | None
    text: str | None


class ReportDocument(Document):
    """A report; `state` is null while there is only what the machine proposes."""

    id: str | None
    number: int
    state: Report | None
    exam: str
    statements: list[Statement]
    text: str
    ruleset: str | None
    software: str | None
    author: Who | None
    changed_at: Time | None
    signed_at: Time | None
    signed_by: Who | None
    amends: str | None
    reason: str | None


class MessageDocument(Document):
    """From the desk to the clinic, and what was read back."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    id: str
    from_: Who | None = Field(alias="from")
    text: str
    at: Time
    read_back_at: Time | None
    read_back_by: Who | None
    read_back: str | None


class LinkDocument(Document):
    """How two exams belong together; `resolved`: of another patient's name, the reason that a human gave."""

    exam: str
    other: str
    how: Literal["duplicate", "retake", "wrong-patient"]
    at: Time
    resolved: str | None


class MergeDocument(Document):
    """Two records held to be one patient; a second person confirms."""

    id: str
    kept: str
    merged: str
    state: Merge
    reason: str
    proposed_at: Time
    proposed_by: Who
    confirmed_at: Time | None
    confirmed_by: Who | None
    undone_at: Time | None
    undone_by: Who | None


class MergeRecord(Document):
    """A patient's record in a merge; of the number only the last four digits."""

    name: str | None
    sex: str | None
    birth_date: str | None
    id_tail: str | None
    site_name: str


class MergeRecords(Document):
    """The record that stays, and the one that is held to be the same patient's."""

    kept: MergeRecord
    merged: MergeRecord


class ListedMerge(MergeDocument):
    """A merge with both records."""

    records: MergeRecords


class Merges(Document):
    """The merges that are not undone: what waits for a second person, then the newest."""

    items: list[ListedMerge]


class StatementFound(Document):
    """A statement of the catalogue."""

    code: str
    group: str
    zh: str
    en: str


class StatementsFound(Document):
    """What a search of the catalogue found, the closest first."""

    items: list[StatementFound]


class CaseDocument(Item):
    """One case with everything that happened to it; `legal`: what the asker may do now."""

    exams: list[str]
    owner_at: Time | None
    acknowledged_at: Time | None
    seen_at: Time | None
    seen_by: Who | None
    answer: Answer | None
    read_back_at: Time | None
    patient_id: str | None
    merges: list[MergeDocument]
    report: ReportDocument | None
    earlier_reports: list[ReportDocument]
    messages: list[MessageDocument]
    links: list[LinkDocument]
    comparison: dict[str, Any] | None = Field(
        description="Against the patient's last ECG: `exam`, `identity`, `unchanged`, `changes`, `st_j_mv`."
    )
    legal: list[str]
    history: list[HistoryLine]


class Stages(Document):
    """The clocks of an exam."""

    received_at: Time
    analysed_at: Time | None
    seen_at: Time | None
    seen_by: Who | None
    answered_at: Time | None
    answer: Answer | None
    read_back_at: Time | None


class Instruction(Say):
    """What the village does until a doctor answers."""

    action: Say


class File(Document):
    """One file as it was sent."""

    name: str
    sha256: str
    bytes: int


class ExamDocument(Document):
    """The receipt, what became of it, and who has seen and answered it."""

    exam: str
    site: str
    sha256: str
    bytes: int
    received_at: Time
    status: Exam
    case: str | None
    case_seq: int | None
    grade: str | None
    advice: list[CodedSay]
    colour: Colour | None
    reason: Reason | None
    filename: str | None
    files: list[File]
    patient: Patient | None
    symptoms: list[str]
    urgent: bool
    doubt: Say | None
    conflicts: list[Conflict]
    problem: CodedSay | None
    links: list[LinkDocument]
    messages: list[MessageDocument]
    instruction: Instruction | None
    stages: Stages


class Exams(Document):
    """The newest exams that one may see."""

    items: list[ExamDocument]
    next: str | None


class AlertToAck(Document):
    """Seconds from alert to acknowledgement of today's RED alerts; no median below five."""

    median_s: float | None
    n: int
    values_s: list[float]


class FirstEcg(Document):
    """How many of today's exams came within ten minutes of the first contact."""

    met: int
    of: int


class Today(Document):
    """Counts of the local day."""

    exams: int
    red: int
    orange: int
    poor_quality: int
    first_ecg_10min: FirstEcg


class Figures(Document):
    """What the board shows; open cases without a patient's name."""

    at: Time
    seq: int
    alert_to_ack: AlertToAck
    tnmg_s: int
    today: Today
    open: list[Item]


def answers(model: type[BaseModel], *, description: str = "Done") -> dict[int | str, dict[str, Any]]:
    """What a route says in OpenAPI about its answer."""
    return {200: {"model": model, "description": description}}
