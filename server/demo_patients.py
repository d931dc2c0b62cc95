"""The demonstration's patients: who comes when, with what complaint, and what their heart does. Everything is made up.

Pure: the same seed gives the same day. Identity numbers begin with 000000, which is no place.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ecg.synthesis import Heart, Noise

FIRST_STEMI_S = 25.0  # after the start: time to sign in, soon enough to be seen
STEMI_EVERY_S = (540.0, 660.0)
BUSY_S = 180.0  # the first minutes are busy, so that the screens are not empty
BUSY_GAP_S, QUIET_GAP_S = (4.0, 10.0), (15.0, 45.0)

_SURNAMES = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕"
_MALE = ("建国", "志强", "国庆", "德福", "长贵", "永军", "海生", "金水", "洪亮", "学文", "立新", "大勇")
_FEMALE = ("秀英", "桂兰", "玉珍", "玉兰", "春梅", "淑芬", "凤霞", "美华", "小红", "金花", "爱莲", "翠云")

#: complaint → how often among 100 who come
_WEIGHTS = {
    "healthy": 58,
    "pain": 9,
    "fibrillation": 9,
    "slow": 4,
    "fast": 4,
    "extra": 5,
    "lbbb": 2,
    "rbbb": 3,
    "loose": 4,
    "trembling": 2,
}
_STEMI_TERRITORIES = ("inferior", "anterior", "anteroseptal", "lateral")
_SYMPTOMS: dict[str, tuple[tuple[str, ...], ...]] = {
    "pain": (("chest_pain",), ("chest_tightness",), ("chest_tightness", "dyspnoea")),
    "fibrillation": ((), ("dyspnoea",), ("none",)),
    "slow": (("presyncope",), ("none",), ()),
    "stemi": (("chest_pain", "sweating"), ("chest_pain", "radiating_pain"), ("chest_pain", "dyspnoea", "sweating")),
}
_UNASKED: tuple[tuple[str, ...], ...] = ((), ("none",), ("none",))  # nobody asked, or there is none


@dataclass(frozen=True, slots=True)
class Patient:
    """Somebody who comes to a clinic."""

    name: str
    sex: str
    birth_date: str
    id_number: str
    age_years: int

    def facts(self) -> dict[str, str]:
        """The contract's ``patient``."""
        return {"name": self.name, "sex": self.sex, "birth_date": self.birth_date, "id_number": self.id_number}


@dataclass(frozen=True, slots=True)
class Visit:
    """One ECG: ``at_s`` after the start, at clinic number ``clinic``."""

    at_s: float
    clinic: int
    patient: Patient
    complaint: str
    symptoms: tuple[str, ...]
    seed: int


def visits(seed: int, clinics: int, year: int) -> Iterator[Visit]:
    """Who comes, in order of time, without end; the first STEMI to clinic 0, :data:`FIRST_STEMI_S` after the start."""
    dice = random.Random(seed)  # noqa: S311 (made-up patients are no secret)
    at_s, stemi_s = 2.0, FIRST_STEMI_S
    while True:
        if stemi_s <= at_s:
            clinic = 0 if stemi_s == FIRST_STEMI_S else dice.randrange(clinics)
            yield _visit(dice, stemi_s, clinic, "stemi", year)
            stemi_s += dice.uniform(*STEMI_EVERY_S)
            continue
        complaint = dice.choices(list(_WEIGHTS), list(_WEIGHTS.values()))[0]
        yield _visit(dice, at_s, dice.randrange(1, clinics), complaint, year)
        at_s += dice.uniform(*(BUSY_GAP_S if at_s < BUSY_S else QUIET_GAP_S))


def heart_of(visit: Visit) -> tuple[Heart, Noise, tuple[str, ...]]:
    """What the electrodes will see: the heart, the noise, and electrodes without contact."""
    from ecg.synthesis import TERRITORIES, BeatKind, Conduction, Ectopic, Heart, Noise, Rhythm

    dice = random.Random(visit.seed)  # noqa: S311
    own, rate = dice.uniform(0.3, 0.8), dice.uniform(60, 88)
    quiet = Noise(muscle_mv=dice.uniform(0.003, 0.010), wander_mv=dice.uniform(0.01, 0.04))
    off: tuple[str, ...] = ()
    heart = Heart(rate_bpm=rate, individual=own)
    match visit.complaint:
        case "fibrillation":
            heart = Heart(rate_bpm=dice.uniform(70, 118), rr_sd=0.2, rhythm=Rhythm.FIBRILLATION, individual=own)
        case "slow":
            heart = Heart(rate_bpm=dice.uniform(42, 52), pr_ms=dice.uniform(180, 230), individual=own)
        case "fast":
            heart = Heart(rate_bpm=dice.uniform(104, 128), individual=own)
        case "extra":
            kind = dice.choice((BeatKind.ATRIAL, BeatKind.VENTRICULAR))
            heart = Heart(rate_bpm=rate, individual=own, ectopics=(Ectopic(kind, 3), Ectopic(kind, 8)))
        case "lbbb":
            heart = Heart(rate_bpm=rate, qrs_ms=150, conduction=Conduction.LBBB, individual=own)
        case "rbbb":
            heart = Heart(rate_bpm=rate, qrs_ms=138, conduction=Conduction.RBBB, individual=own)
        case "loose":
            off = (dice.choice(("V2", "V4", "V5")),)
        case "trembling":
            quiet = Noise(muscle_mv=0.06, mains_mv=0.05, wander_mv=0.15)
        case "stemi":
            territory = "inferior" if visit.clinic == 0 else dice.choice(_STEMI_TERRITORIES)
            heart = Heart(rate_bpm=dice.uniform(64, 96), st_mv=TERRITORIES[territory], t_scale=1.1, individual=0.2)
        case _:
            pass
    return heart, quiet, off


def ecg_of(visit: Visit) -> bytes:
    """The device's file: a WFDB record as a zip."""
    from ecg.formats.wfdb_write import wfdb_zip
    from ecg.recording import PatientFacts, Sex
    from ecg.synthesis import synthesise

    heart, noise, off = heart_of(visit)
    facts = PatientFacts(age_years=float(visit.patient.age_years), sex=Sex(visit.patient.sex))
    made = synthesise(heart, noise, seed=visit.seed, off=off, patient=facts)
    return wfdb_zip(made.recording, f"ecg{visit.seed:08d}")


def _visit(dice: random.Random, at_s: float, clinic: int, complaint: str, year: int) -> Visit:
    told = dice.choice(_SYMPTOMS.get(complaint, _UNASKED))
    sick = complaint not in ("healthy", "extra", "rbbb")
    patient = _patient(dice, year, older=sick)
    if complaint == "stemi" and clinic == 0:
        patient = _named("王建国", "male", dice, year, 50)
    return Visit(at_s, clinic, patient, complaint, told, dice.randrange(10**8))


def _patient(dice: random.Random, year: int, *, older: bool) -> Patient:
    sex = dice.choice(("male", "female"))
    name = dice.choice(_SURNAMES) + dice.choice(_MALE if sex == "male" else _FEMALE)
    age = round(dice.triangular(40, 90, 66) if older else dice.triangular(18, 88, 52))
    return _named(name, sex, dice, year, age)


def _named(name: str, sex: str, dice: random.Random, year: int, age: int) -> Patient:
    born = year - age
    month, day = dice.randint(1, 12), dice.randint(1, 28)
    order = dice.randrange(500) * 2 + (sex == "male")  # odd for men, as in a real number
    digits = f"000000{born:04d}{month:02d}{day:02d}{order:03d}"
    return Patient(name, sex, f"{born:04d}-{month:02d}-{day:02d}", digits + _check_digit(digits), age)


def _check_digit(digits: str) -> str:
    """The last place of a Chinese identity number (GB 11643: ISO 7064 MOD 11-2)."""
    total = sum(int(digit) * pow(2, 17 - place, 11) for place, digit in enumerate(digits))
    return "10X98765432"[total % 11]
