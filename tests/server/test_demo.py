"""The demonstration: the county that its seed says, patients as they are meant, and an orderly end."""

from __future__ import annotations

import itertools
import math
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import httpx
import pytest

import ecg
from county import counties
from server import demo, demo_county, demo_patients
from server.refusal import Refusal
from server.settings import Settings
from tests.support.needs import REPOSITORY
from tests.support.serving import make_world, wait_until


def test_the_county_is_as_large_as_a_county_and_the_same_for_the_same_seed() -> None:
    clinics = demo_county.clinics(1)
    assert len(clinics) == len({clinic.name for clinic in clinics}) == 384
    towns = Counter(clinic.township for clinic in clinics)
    assert len(towns) == 42
    assert max(towns.values()) - min(towns.values()) <= 1
    assert (clinics[0].name, clinics[0].township) == ("石桥村卫生室", "柳河镇")
    assert all(demo_county.is_inside(clinic.x, clinic.y) for clinic in clinics)
    assert all(clinic.phone.startswith("000-5550-") for clinic in clinics)
    assert clinics == demo_county.clinics(1)
    assert clinics != demo_county.clinics(2)


def test_the_first_stemi_comes_to_the_visitors_clinic_within_the_first_minute() -> None:
    visits = list(itertools.takewhile(lambda visit: visit.at_s < 1800, demo_patients.visits(1, 384, 2026)))
    assert [visit.at_s for visit in visits] == sorted(visit.at_s for visit in visits)
    stemis = [visit for visit in visits if visit.complaint == "stemi"]
    assert stemis[0].at_s < 60
    assert stemis[0].clinic == 0
    assert "chest_pain" in stemis[0].symptoms
    assert len(stemis) == 3
    first_minute = [visit for visit in visits if visit.at_s < 60]
    assert 7 <= len(first_minute) <= 16
    healthy = sum(visit.complaint == "healthy" for visit in visits) / len(visits)
    assert healthy > 0.4


def test_patients_are_made_up_and_their_numbers_say_so() -> None:
    for visit in itertools.islice(demo_patients.visits(1, 384, 2026), 50):
        assert re.fullmatch(r"000000\d{11}[\dX]", visit.patient.id_number)
        assert visit.patient.id_number[6:14] == visit.patient.birth_date.replace("-", "")


@pytest.mark.parametrize(("complaint", "code"), [("stemi", "STEMI_"), ("fibrillation", "R_AF"), ("healthy", "R_SINUS")])
def test_the_instrument_sees_what_the_patient_has(complaint: str, code: str) -> None:
    visit = next(v for v in demo_patients.visits(1, 384, 2026) if v.complaint == complaint)
    found = [finding.code for finding in ecg.analyze(ecg.read(demo_patients.ecg_of(visit))).findings]
    assert any(one.startswith(code) for one in found), found


def test_a_folder_with_somebodys_county_is_not_touched(tmp_path: Path) -> None:
    world = make_world(f"sqlite:///{tmp_path / 'ecgnet.db'}", tmp_path)
    with world.ledger() as ledger:
        ledger.write(lambda tx: counties.add_county(tx, "另一个县"))
    with pytest.raises(Refusal):
        demo._prepare(Settings(data=tmp_path), 1)


def test_it_sends_and_ends_with_its_clinics_at_ctrl_c(tmp_path: Path) -> None:
    with (tmp_path / "out").open("w", encoding="utf-8") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "server.cli", "demo", "--data", str(tmp_path / "demo"), "--port", "0"],
            cwd=REPOSITORY,
            stdout=output,
            stderr=output,
            start_new_session=True,
            env={**os.environ, "ECGNET_WORKERS": "1"},
        )
    clinics: list[int] = []
    try:
        said = wait_until(lambda: "Ctrl-C" in (text := _text(tmp_path / "out")) and text, 30, "the welcome")
        address = re.search(r"http://127\.0\.0\.1:\d+", said)
        assert address is not None
        for person in demo_county.PEOPLE:
            assert person.name in said
        who = {"name": "周敏", "password": demo_county.PASSWORD}
        assert httpx.post(f"{address[0]}/v1/session", json=who).status_code == 200
        wait_until(lambda: _received(address[0]) >= 1, 30, "the first ECG")
        clinics = _children(process.pid, "demo_clinics")
        assert len(clinics) == 1
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(15) == 0, _text(tmp_path / "out")
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in clinics), 5, "no clinic left")
    assert "Traceback" not in _text(tmp_path / "out")


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8")


def _received(address: str) -> float:
    found = re.search(r"^ecgnet_exams_received_total (\S+)$", httpx.get(f"{address}/metrics").text, re.MULTILINE)
    return float(found[1]) if found else math.nan


def _children(pid: int, word: str) -> list[int]:
    listed = subprocess.run(
        ["ps", "-o", "pid=,args=", "--ppid", str(pid)], capture_output=True, text=True, check=False
    ).stdout
    return [int(line.split()[0]) for line in listed.splitlines() if word in line]
