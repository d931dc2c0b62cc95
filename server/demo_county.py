"""The demonstration county 青禾县: 42 townships, 384 village clinics, six people. Everything is made up.

Pure: the same seed gives the same county. Names are put together from tables, so any likeness to a real place is
chance; telephone numbers begin with 000 and ring nowhere.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass

COUNTY = "青禾县"
COUNTY_PHONE = "000-5550-120"
TOWNSHIPS = 42
CLINICS = 384
FIRST_TOWNSHIP, FIRST_CLINIC = "柳河镇", "石桥村卫生室"
PASSWORD = "ecgnet-demo"  # noqa: S105 (printed at every start; the demonstration listens on this machine only)

_TOWN_FIRST = "柳青白清桃槐松梅竹枫榆桐银金玉龙凤鹤云沙石长平安永新古南北东西"
_TOWN_SECOND = "河溪泉湖塘湾滩渡桥坪岭峰台关集店庄"
_VILLAGE_FIRST = "石柳杨李张王赵上下前后大小东西南北新老高双三五七红白黑青黄松竹梅桃杏枣槐榆桑茶麦稻荷莲"
_VILLAGE_SECOND = "桥湾坡沟坪岭塘井堰坝庙楼寨屯庄园林洼畈岗埠渡河溪泉口"

#: the county's outline, 0..1 from the west and the north edge
OUTLINE = (
    (0.99, 0.50), (0.96, 0.63), (0.88, 0.73), (0.79, 0.80), (0.68, 0.83), (0.59, 0.91), (0.48, 0.93), (0.38, 0.87),
    (0.30, 0.82), (0.23, 0.74), (0.14, 0.68), (0.11, 0.57), (0.11, 0.47), (0.07, 0.34), (0.10, 0.20), (0.19, 0.10),
    (0.32, 0.08), (0.45, 0.14), (0.55, 0.15), (0.63, 0.19), (0.72, 0.23), (0.82, 0.26), (0.88, 0.36), (0.96, 0.46),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Clinic:
    """A village clinic; ``x`` and ``y`` from 0 to 1 from the west and the north edge of the map."""

    name: str
    township: str
    phone: str
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody to sign in as: their place in the ladder, the page they work on, and what they are."""

    name: str
    role: str
    slot: str | None
    page: str
    zh: str
    en: str


PEOPLE = (
    Person("周敏", "cardiologist", "first", "/reader/", "心内科医师，一线", "cardiologist, first on call"),
    Person("何立", "cardiologist", "backup", "/reader/", "心内科医师，二线", "cardiologist, backup"),
    Person("秦卫东", "cardiologist", "chief", "/reader/", "胸痛中心主任", "chief of the chest pain centre"),
    Person("林芳", "coordinator", "coordinator", "/board/", "胸痛协调员", "coordinator"),
    Person("郭维", "administrator", "director", "/", "管理员，医务值班", "administrator, medical director"),
    Person("吴秀兰", "clinic", None, "/clinic/", "村医，石桥村卫生室", "village doctor, Shiqiao clinic"),
)


def clinics(seed: int) -> list[Clinic]:
    """The clinics, township by township; the first is :data:`FIRST_CLINIC` in :data:`FIRST_TOWNSHIP`."""
    dice = random.Random(seed)  # noqa: S311 (a made-up county is no secret)
    centres = _centres(dice)
    towns = [FIRST_TOWNSHIP, *_towns(dice, TOWNSHIPS - 1)]
    villages = iter([FIRST_CLINIC, *_villages(dice, CLINICS - 1)])
    found: list[Clinic] = []
    for number, (town, centre) in enumerate(zip(towns, centres, strict=True)):
        for _ in range(CLINICS // TOWNSHIPS + (number < CLINICS % TOWNSHIPS)):
            x, y = _near(dice, centre, centres)
            found.append(Clinic(next(villages), town, f"000-5550-{300 + len(found)}", x, y))
    return found


def is_inside(x: float, y: float) -> bool:
    """Whether a point lies within :data:`OUTLINE` (the even-odd rule)."""
    inside = False
    for (x1, y1), (x2, y2) in zip(OUTLINE, (*OUTLINE[1:], OUTLINE[0]), strict=True):
        if (y1 > y) != (y2 > y) and x < (x2 - x1) * (y - y1) / (y2 - y1) + x1:
            inside = not inside
    return inside


def _centres(dice: random.Random) -> list[tuple[float, float]]:
    """Township centres: the farthest of some throws from those already there, so that they spread evenly."""
    centres = [_throw(dice)]
    while len(centres) < TOWNSHIPS:
        centres.append(max((_throw(dice) for _ in range(24)), key=lambda at: min(math.dist(at, c) for c in centres)))
    return centres


def _throw(dice: random.Random) -> tuple[float, float]:
    while True:
        at = dice.random(), dice.random()
        if is_inside(*at):
            return at


def _near(dice: random.Random, centre: tuple[float, float], centres: list[tuple[float, float]]) -> tuple[float, float]:
    """A place inside the county whose nearest township centre is this one."""
    while True:
        angle, distance = dice.uniform(0, math.tau), 0.075 * math.sqrt(dice.random())
        at = centre[0] + distance * math.cos(angle), centre[1] + distance * math.sin(angle)
        if is_inside(*at) and min(centres, key=lambda other: math.dist(at, other)) == centre:
            return round(at[0], 4), round(at[1], 4)


def _towns(dice: random.Random, count: int) -> Iterator[str]:
    names = [
        first + second for first in _TOWN_FIRST for second in _TOWN_SECOND if first + second != FIRST_TOWNSHIP[:-1]
    ]
    return (name + ("镇" if dice.random() < 0.6 else "乡") for name in dice.sample(names, count))


def _villages(dice: random.Random, count: int) -> Iterator[str]:
    pairs = [first + second for first in _VILLAGE_FIRST for second in _VILLAGE_SECOND if first != second]
    names = [f"{pair}村卫生室" for pair in pairs if f"{pair}村卫生室" != FIRST_CLINIC]
    return iter(dice.sample(names, count))
