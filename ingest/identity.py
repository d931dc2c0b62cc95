"""Who the patient is: normalising what was typed, and finding the patient's row.

Two exams are of one patient if they carry the same health card, or the same valid ID number, or the same name, birth
date and sex at the same site, and nothing else speaks against it: a value that a site types for several names joins
nobody. The ID number is GB 11643-1999: 17 digits and a check
digit by ISO 7064 MOD 11-2. A number whose check digit is wrong was mistyped: it is kept as it was said, and joins
nobody.

Strangers are welcome (无名氏): an ECG without name, card and ID number gets a patient of its own with a temporary
number, ``20261124-1432-K7``, from the minute of its receipt, as emergency rooms call them; it is no count, from which a
clinic could tell how many strangers others had. Who it was is said later: for this ECG (:func:`identify`), or by
merging the record with another, which two people do and can undo.
"""

from __future__ import annotations

import re
import secrets
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from datetime import date, datetime, timedelta, timezone
from typing import Any, cast

from sqlalchemy import RowMapping, bindparam, insert, select, update

from ledger import schema
from ledger.database import Transaction
from ledger.ids import new_id

MAX_LETTERS = 200
"""Of one field; the longest name on a Chinese ID card has some 30."""

_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECK_DIGITS = "10X98765432"

_SEXES = {
    **dict.fromkeys(("male", "m", "man", "男", "男性", "1"), "male"),
    **dict.fromkeys(("female", "f", "woman", "女", "女性", "2"), "female"),
}
"""GB/T 2261.1 counts 1 male, 2 female; its 0 and 9 are unknown."""

_SEX_UNKNOWN = frozenset({"unknown", "other", "u", "o", "0", "9", "未知", "不详", ""})
NOBODY = frozenset(
    {
        *("无名氏", "无名", "佚名", "未知", "未知姓名", "姓名不详", "不详", "匿名", "无"),
        *("unknown", "anonymous", "noname", "none", "null", "n/a"),
    }
)
"""What stands in a name's place where nobody knows it: it joins nobody."""

CHINA = timezone(timedelta(hours=8))
"""A day begins at the county's midnight; one zone for the whole country, no summer time."""

_DATES = (
    re.compile(r"(\d{4})(\d\d)(\d\d)", re.ASCII),
    re.compile(r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?", re.ASCII),
)


@dataclass(frozen=True, slots=True)
class Identity:
    """What was said of the patient, normalised. ``birth_date``: ISO (``1958-03-02``); ``sex``: ``male``, ``female``."""

    name: str | None = None
    id_number: str | None = None
    card: str | None = None
    birth_date: str | None = None
    sex: str | None = None

    def __bool__(self) -> bool:
        return any(getattr(self, item.name) is not None for item in fields(self))

    @property
    def valid_id_number(self) -> str | None:
        """The ID number if its check digit is right."""
        return self.id_number if self.id_number is not None and is_valid_id_number(self.id_number) else None

    @property
    def is_stranger(self) -> bool:
        """Whether nothing says who it is; birth date and sex alone do not."""
        return self.name is None and self.id_number is None and self.card is None

    def filled_from(self, other: Identity) -> Identity:
        """This identity, with what it lacks taken from ``other``; a valid ID number replaces a mistyped one."""
        mine, theirs = asdict(self), asdict(other)
        filled = Identity(**{name: theirs[name] if mine[name] is None else mine[name] for name in mine})
        return replace(filled, id_number=self.valid_id_number or other.valid_id_number or filled.id_number)

    def differs(self, other: Identity) -> bool:
        """Whether anything that both state is not the same: on the same bytes that is another identity."""
        return bool(_differences(self, other))

    def excludes(self, other: Identity) -> bool:
        """Whether the two are not one person although a key is the same: another card or valid ID number, another name
        together with another birth date or sex, or a name that is no other spelling of the first. A site that types one
        card number for everybody joins nobody by it."""
        found = _differences(self, other)
        if found & {"card", "id_number"}:
            return True
        return "name" in found and (bool(found & {"birth_date", "sex"}) or not _is_spelling(self.name, other.name))


def _differences(one: Identity, other: Identity) -> set[str]:
    """The fields that both state and that are not the same; a mistyped ID number states nothing."""
    pairs = {
        "name": (_folded(one.name), _folded(other.name)),
        "id_number": (one.valid_id_number, other.valid_id_number),
        "card": (one.card, other.card),
        "birth_date": (one.birth_date, other.birth_date),
        "sex": (one.sex, other.sex),
    }
    return {field for field, (a, b) in pairs.items() if a is not None and b is not None and a != b}


def _is_spelling(one: str | None, other: str | None) -> bool:
    """Whether two names may be one, mistyped: they sound the same, or of three letters and more one differs, and not
    the first (the surname).
    """
    a, b = _folded(one) or "", _folded(other) or ""
    if len(a) >= 3 and len(a) == len(b) and a[0] == b[0] and sum(x != y for x, y in zip(a, b, strict=True)) <= 1:
        return True
    from pypinyin import lazy_pinyin

    return lazy_pinyin(a) == lazy_pinyin(b)


# --- reading what was typed ------------------------------------------------------------------------------------------


def read_identity(value: Any) -> tuple[Identity, bool]:
    """The identity in the context's ``patient`` object, and whether something in it could not be understood."""
    if value is None:
        return Identity(), False
    if not isinstance(value, Mapping):
        return Identity(), True
    said, read, misread = cast("Mapping[str, Any]", value), dict[str, str | None](), False
    for field, reader in _READERS.items():
        try:
            read[field] = reader(said.get(field))
        except ValueError:
            misread = True
    return _with_what_the_number_says(Identity(**read)), misread


def is_valid_id_number(number: str) -> bool:
    """Whether an 18-digit ID number has a birth date that exists and the right check digit."""
    if not re.fullmatch(r"\d{17}[\dX]", number, re.ASCII):
        return False
    total = sum(weight * int(digit) for weight, digit in zip(_WEIGHTS, number, strict=False))
    try:
        date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    except ValueError:
        return False
    return _CHECK_DIGITS[total % 11] == number[17]


def clean(text: str, most: int = MAX_LETTERS) -> str:
    """One line of text without control or invisible characters, lone surrogates, doubled spaces, in Unicode's NFKC."""
    kept = "".join(letter for letter in text if unicodedata.category(letter) not in {"Cc", "Cf", "Cs", "Cn"})
    return " ".join(unicodedata.normalize("NFKC", kept).split())[:most].strip()


def _with_what_the_number_says(identity: Identity) -> Identity:
    """A valid ID number states birth date (digits 7–14) and sex (digit 17, odd is male); what was said goes first."""
    number = identity.valid_id_number
    if number is None:
        return identity
    born, sex = f"{number[6:10]}-{number[10:12]}-{number[12:14]}", "male" if int(number[16]) % 2 else "female"
    return replace(identity, birth_date=identity.birth_date or born, sex=identity.sex or sex)


def _folded(name: str | None) -> str | None:
    return None if name is None else name.replace(" ", "").replace("·", "").casefold()


def _text(value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, (str, int)) or isinstance(value, bool):
        raise ValueError("not a text")
    return clean(str(value)) or None


def _number(value: Any) -> str | None:
    text = _text(value)
    return None if text is None else re.sub(r"[\s-]", "", text).upper() or None


def _name(value: Any) -> str | None:
    """A name, unless it says that nobody knows it."""
    text = _text(value)
    return None if text is None or (_folded(text) or "").strip(".。?？-") in {*NOBODY, ""} else text


def _card(value: Any) -> str | None:
    """A health card's number. The code of an electronic health card (电子健康卡) is 64 hexadecimal digits; in its QR
    picture, what changes from one showing to the next follows behind a colon: that is no part of it.
    """
    number = _number(value)
    if number is not None and (code := re.match(r"[0-9A-F]{64}(?=:)", number)):
        return code[0]
    return number


def _birth_date(value: Any) -> str | None:
    text = _text(value)
    if text is None:
        return None
    for form in _DATES:
        if found := form.fullmatch(text.split("T")[0]):
            year, month, day = (int(part) for part in found.groups())
            return date(year, month, day).isoformat()
    raise ValueError("not a date")


def _sex(value: Any) -> str | None:
    word = (_text(value) or "").casefold()
    if word in _SEX_UNKNOWN:
        return None
    if word not in _SEXES:
        raise ValueError("not a sex")
    return _SEXES[word]


_READERS: dict[str, Callable[[Any], str | None]] = {
    "name": _name,
    "id_number": _number,
    "card": _card,
    "birth_date": _birth_date,
    "sex": _sex,
}

# --- the patient's row -----------------------------------------------------------------------------------------------

_P = schema.patient.c
_OF_COUNTY = select(schema.patient).where(_P.county_id == bindparam("county"))
# The patient by its key.
_BY_ID = _OF_COUNTY.where(_P.id == bindparam("which"))
# Everyone with this health card in the county, the oldest row first.
_BY_CARD = _OF_COUNTY.where(_P.card == bindparam("card")).order_by(_P.created_at, _P.id)
# Everyone with this ID number in the county.
_BY_NUMBER = _OF_COUNTY.where(_P.id_number == bindparam("id_number")).order_by(_P.created_at, _P.id)
# Everyone of this name, birth date and sex at the site.
_BY_NAME = _OF_COUNTY.where(
    _P.site_id == bindparam("site"),
    _P.name == bindparam("name"),
    _P.birth_date == bindparam("birth_date"),
    _P.sex == bindparam("sex"),
).order_by(_P.created_at, _P.id)
_INSERT = insert(schema.patient)
# New facts of a patient; what was known is in them.
_FILL = (
    update(schema.patient)
    .where(_P.county_id == bindparam("county"), _P.id == bindparam("which"))
    .values({field.name: bindparam(f"to_{field.name}") for field in fields(Identity)})
)


def of_patient(transaction: Transaction, county: str, patient: str) -> Identity:
    """What the ledger knows of a patient."""
    return _identity(transaction.connection.execute(_BY_ID, {"county": county, "which": patient}).mappings().one())


def find_or_create(transaction: Transaction, county: str, site: str, identity: Identity) -> str:
    """The id of the patient's row, which then knows what ``identity`` adds; a stranger gets a row and a number."""
    found = _found(transaction, county, site, identity)
    if found is not None:
        return found
    patient = new_id()
    row = {"county_id": county, "id": patient, "site_id": site, "created_at": transaction.now, **asdict(identity)}
    row["number"] = temporary_number(transaction.now) if identity.is_stranger else None
    transaction.connection.execute(_INSERT, row)
    return patient


def identify(
    transaction: Transaction, county: str, site: str, patient: str, known: Identity, said: Identity
) -> tuple[str, bool]:
    """Whose an exam is once ``said`` is known of its ``patient``: that of somebody known before if ``patient`` was a
    stranger, else the same, whose row learns what it lacked (and whether it did).
    """
    if known.is_stranger and not said.is_stranger:
        found = _found(transaction, county, site, said.filled_from(known))
        if found is not None:
            return found, False
    return patient, fill(transaction, county, patient, known, said)


def temporary_number(now: int) -> str:
    """A stranger's number: day and minute in China, and two letters or digits for those of the same minute."""
    at = datetime.fromtimestamp(now // 1_000_000, CHINA)
    return f"{at:%Y%m%d-%H%M}-{secrets.choice(_PLAIN)}{secrets.choice(_PLAIN)}"


_PLAIN = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"  # nothing that is read for another on a telephone: no 0, 1, I, O


def _found(transaction: Transaction, county: str, site: str, identity: Identity) -> str | None:
    for patient, known in _candidates(transaction, county, site, identity):
        if not known.excludes(identity):
            fill(transaction, county, patient, known, identity)
            return patient
    return None


def fill(transaction: Transaction, county: str, patient: str, known: Identity, said: Identity) -> bool:
    """Add to the patient's row what it lacks; whether there was anything."""
    filled = known.filled_from(said)
    if filled == known:
        return False
    values = {f"to_{field}": value for field, value in asdict(filled).items()}
    transaction.connection.execute(_FILL, {"county": county, "which": patient, **values})
    return True


def _candidates(transaction: Transaction, county: str, site: str, identity: Identity) -> list[tuple[str, Identity]]:
    """Rows with one of the three keys, the strongest key first."""
    keys = {"county": county, "site": site, **asdict(identity)}
    searches = [
        (_BY_CARD, identity.card is not None),
        (_BY_NUMBER, identity.valid_id_number is not None),
        (_BY_NAME, None not in (identity.name, identity.birth_date, identity.sex)),
    ]
    found: list[tuple[str, Identity]] = []
    for search, is_known in searches:
        if is_known:
            rows = [*transaction.connection.execute(search, keys).mappings()]
            if len(rows) > 1 and identity.name is None:
                continue  # several people carry it: without a name it says nothing
            found += [(row["id"], _identity(row)) for row in rows]
    return found


def _identity(row: RowMapping) -> Identity:
    return Identity(**{field.name: row[field.name] for field in fields(Identity)})
