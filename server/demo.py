"""``ecgnet demo``: a county to sign in to, whose clinics are another process that uses only HTTP and device keys.

The county is made once and kept; a later start takes the same folder. The clinics' keys lie beside the database,
because the ledger keeps only their hashes; a folder that holds somebody's real county is not touched.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from server import demo_county as made_up
from server import serve as server
from server.refusal import Refusal

if TYPE_CHECKING:
    from ledger.database import Ledger, Transaction
    from server.settings import Settings

KEYS_FILE = "demo-keys.json"
ROSTER_DAYS = 7
CHANGE_HOUR = 8  # China's time: when the next shift takes over
LEAVE_S = 3.0  # for the clinics to finish what they are sending


@dataclass(frozen=True, slots=True)
class Sender:
    """A clinic's device as its process needs it."""

    clinic: str
    township: str
    key: str


def run(data: Path, port: int, seed: int) -> None:
    """Make or take the county, serve it, and let its clinics send until Ctrl-C."""
    settings = server.settings_of({"data": data, "port": port, "log": "warnings", "host": "127.0.0.1"})
    server.prepare_folder(settings.data)
    senders = _prepare(settings, seed)
    with contextlib.ExitStack() as stack:

        def ready(address: str) -> None:
            print(welcome(address, settings.data), flush=True)
            stack.callback(_stop, _start_clinics(address, seed, senders))

        server.serve(settings, ready)
    print("\n演示已结束。 The demonstration has ended.", flush=True)


def welcome(address: str, data: Path) -> str:
    """What the terminal shows: the address, the accounts, what to try."""
    accounts = "\n".join(
        f"    {person.name}  {address}{person.page:<9}  {person.zh} · {person.en}" for person in made_up.PEOPLE
    )
    return f"""
  ecgnet 演示 demonstration    {address}/

  账号(密码都是 {made_up.PASSWORD}) Accounts (every password: {made_up.PASSWORD})
{accounts}

  试一试:
    1. 用周敏登录 {address}/reader/ ,点“接班”打开声音。约 25 秒后石桥村卫生室送来一份 STEMI:接警、看图、确认。
    2. 另开一个浏览器(或隐私窗口)用吴秀兰登录 {address}/clinic/ :看到“医生已看到”和结果,再点“我读到了”。
    3. 用林芳打开 {address}/board/ :全县地图、未答复的病例、应答时间。不接警,看它 60 秒后呼叫二线。
  Try this:
    1. Sign in at {address}/reader/ as 周敏 and start duty (接班) for the sound. After some 25 s a STEMI comes
       from Shiqiao clinic: acknowledge it, look, confirm.
    2. In another browser or a private window, sign in at {address}/clinic/ as 吴秀兰: the doctor has seen it,
       the answer, and its read-back.
    3. Open {address}/board/ as 林芳: map, open cases, answer times. Leave an alert alone: after 60 s it climbs.

  全部姓名、地名、心电图都是编造的。 All names, places and ECGs are made up.  {data}
  按 Ctrl-C 结束。 Ctrl-C ends it.
"""


# --- the county ------------------------------------------------------------------------------------------------------


def _prepare(settings: Settings, seed: int) -> list[Sender]:
    """The county of this folder, made if it is not there, with a roster for the coming week."""
    with contextlib.ExitStack() as stack:
        if settings.is_sqlite:
            stack.callback(server.take_folder(settings.data).release)
        ledger = server.open_ledger(settings)
        stack.callback(ledger.close)
        server.migrate(ledger)
        county = _county(ledger, seed)
        _roster(ledger, county)
        return _senders(ledger, county, settings.data / KEYS_FILE)


def _county(ledger: Ledger, seed: int) -> str:
    from county.counties import all_counties

    known = ledger.read(all_counties)
    if not known:
        return _make_county(ledger, seed)
    if len(known) == 1 and known[0].name == made_up.COUNTY:
        return known[0].id
    raise Refusal(
        "这个数据文件夹里是别的县，演示不会动它：请用 --data 换一个文件夹。",
        "This data folder holds another county, and the demonstration does not touch it: name another with --data.",
    )


def _make_county(ledger: Ledger, seed: int) -> str:
    """County, clinics and people in one commit: an interrupted first start leaves nothing half made."""
    from county import counties, people, sites
    from county.passwords import hash_password

    kept = hash_password(made_up.PASSWORD)
    clinics = made_up.clinics(seed)

    def make(tx: Transaction) -> str:
        county = counties.add_county(tx, made_up.COUNTY, made_up.COUNTY_PHONE)
        ids = [sites.add(tx, county, one.name, one.township, one.phone, one.x, one.y) for one in clinics]
        for number, person in enumerate(made_up.PEOPLE, 201):
            site = ids[0] if person.role == "clinic" else None
            people.add(tx, county, person.name, person.role, kept, site, f"000-5550-{number}")
        return county

    return ledger.write(make)


def _roster(ledger: Ledger, county: str) -> None:
    """Shifts without a gap from now for a week; those that are there stay."""
    from sqlalchemy import func, select

    from county import people, rosters
    from ledger import schema
    from ledger.clock import SECOND

    last = select(func.max(schema.shift.c.to_at)).where(schema.shift.c.county_id == county)

    def add(tx: Transaction) -> None:
        ids = {person.name: person.id for person in people.all_people(tx.connection, county)}
        begins = max(tx.now, tx.connection.execute(last).scalar_one() or 0)
        while begins < tx.now + ROSTER_DAYS * 86400 * SECOND:
            ends = _next_change(begins)
            for person in made_up.PEOPLE:
                if person.slot is not None and person.name in ids:
                    rosters.add(tx, county, person.slot, ids[person.name], begins, ends)
            begins = ends

    ledger.write(add)


def _next_change(now: int) -> int:
    """The next time that shifts change, at least an hour from ``now``."""
    from county.sites import midnight
    from ledger.clock import SECOND

    change = midnight(now) + CHANGE_HOUR * 3600 * SECOND
    while change < now + 3600 * SECOND:
        change += 86400 * SECOND
    return change


def _senders(ledger: Ledger, county: str, file: Path) -> list[Sender]:
    """The clinics with their keys, from the file beside the database; new keys if it is gone."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        kept: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        if kept["county"] == county:
            return [Sender(**one) for one in kept["senders"]]
    from county import devices, sites

    def issue(tx: Transaction) -> list[Sender]:
        known = [day.site for day in sites.all_sites(tx.connection, county, tx.now)]
        known.sort(key=lambda site: site.name != made_up.FIRST_CLINIC)  # the visitor's own clinic is the first
        return [Sender(site.name, site.township, devices.add(tx, county, site.id)[1]) for site in known]

    senders = ledger.write(issue)
    kept = {"county": county, "senders": [{"clinic": s.clinic, "township": s.township, "key": s.key} for s in senders]}
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as stream:
        json.dump(kept, stream, ensure_ascii=False)
    return senders


# --- the clinics' process --------------------------------------------------------------------------------------------


def _start_clinics(address: str, seed: int, senders: list[Sender]) -> subprocess.Popen[str]:
    """Start the clinics; keys go through a pipe, never through arguments that others can list.

    The pipe stays open: when it closes, however this process ended, the clinics end too.
    """
    clinics = subprocess.Popen(
        [sys.executable, "-m", "server.demo_clinics"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        encoding="utf-8",
        start_new_session=True,  # Ctrl-C reaches only the server, which then ends the clinics
    )
    assert clinics.stdin is not None
    told = {"to": address, "seed": seed, "senders": [[s.clinic, s.township, s.key] for s in senders]}
    clinics.stdin.write(json.dumps(told, ensure_ascii=False) + "\n")
    clinics.stdin.flush()
    return clinics


def _stop(clinics: subprocess.Popen[str]) -> None:
    if clinics.stdin is not None:
        with contextlib.suppress(OSError):
            clinics.stdin.close()
    try:
        clinics.wait(LEAVE_S)
    except subprocess.TimeoutExpired:
        clinics.kill()
        clinics.wait()
