"""Writes the codes of the clinical contract's tables (§1.5, §3, §4) to ``tests/data/clinical-codes.csv``.

``python scripts/clinical_codes.py CLINICAL.md OUT.csv``: one row a code, with the section that defines it first. The
repository keeps the copy, so that its tests need no other page; a test makes it anew where the contract lies beside.
``python scripts/clinical_codes.py --page`` takes from docs/not-implemented.md the codes that have got a rule.
"""

from __future__ import annotations

import ast
import csv
import re
import sys
from collections.abc import Iterable
from pathlib import Path

_SECTION = re.compile(r"^#{2,3} §(\d+(?:\.\d+)?)")
_CODE = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+")
_BARE = ("SGARB", "SMITH", "BARCA")
"""Codes of §4.5 without an underscore."""
TEXT_SECTIONS = ("4.1", "4.3")
"""Sections whose codes stand in sentences."""


def codes(text: str) -> list[tuple[str, str]]:
    """(code, section) in order, each code once."""
    found: dict[str, str] = {}
    section, in_table = "", False
    for line in text.splitlines():
        head = _SECTION.match(line)
        if head:
            section, in_table = head[1], False
        if not _wanted(section):
            continue
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")] if line.startswith("|") else []
        if not cells:
            in_table = False
        elif cells[0] == "code":
            in_table = True
        elif in_table:
            for code in expanded(cells[0]):
                found.setdefault(code, section)
        if section in TEXT_SECTIONS:
            for code in re.findall(r"`([A-Z]+_[A-Z]+(?:_[A-Z]+)*)`", line):
                if code.startswith(("STEMI_", "STE_")):
                    found.setdefault(code, section)
    return list(found.items())


def expanded(cell: str) -> list[str]:
    """``C_PACE_A/V/AV`` → three codes; ``Q_OFF limb`` → one; anything else → none."""
    out: list[str] = []
    for part in re.split(r"\s*/\s*", cell):
        word = part.split()[0] if part.split() else ""
        if _CODE.fullmatch(word) or word in _BARE:
            out.append(word)
        elif out and re.fullmatch(r"[A-Z0-9]+", word):
            out.append(out[0].rsplit("_", 1)[0] + "_" + word)
    return out


def stated(repository: Path) -> dict[str, str]:
    """The module of ``ecg`` that states each code."""
    found: dict[str, str] = {}
    for path in sorted((repository / "ecg").rglob("*.py")):
        module = path.relative_to(repository).as_posix()
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if module.endswith("/q_waves.py") and isinstance(node, ast.Constant) and str(node.value).startswith("Q_"):
                found.setdefault(str(node.value), module)
            for code in _keys_of_names(node) if "interpret" in module else _quality(node, module):
                found.setdefault(code, module)
    return found


def _keys_of_names(node: ast.AST) -> list[str]:
    """Keys of ``NAMES``, codes given to ``finding`` or ``decide``; §4.5's words are constants of their module."""
    if isinstance(node, ast.Assign | ast.AnnAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        names = [t.id for t in targets if isinstance(t, ast.Name)]
        if any(n == "NAMES" or n.endswith("_NAMES") for n in names):
            return [k.value for part in ast.walk(node) if isinstance(part, ast.Dict)
                    for k in part.keys if isinstance(k, ast.Constant) and isinstance(k.value, str)]  # fmt: skip
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("finding", "decide"):
        said = [a.value for a in node.args[:2] if isinstance(a, ast.Constant) and isinstance(a.value, str)]
        return [code for code in said if _CODE.fullmatch(code)]
    if isinstance(node, ast.Constant) and node.value in ("SGARB", "SMITH", "SMITH_PACED", "BARCA", "LBBB_NEW"):
        return [str(node.value)]
    return []


def _quality(node: ast.AST, module: str) -> list[str]:
    is_signal = module.startswith("ecg/signal/") or module in ("ecg/instrument.py", "ecg/conditioning.py")
    if is_signal and isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [node.value] if re.fullmatch(r"Q_[A-Z]+", node.value) else []
    return []


def _wanted(section: str) -> bool:
    return section == "1.5" or section.startswith(("3.", "4."))


def without(page: str, gone: Iterable[str]) -> str:
    """The page's rows without the codes that have a rule now; a row that loses all of them goes."""
    out: list[str] = []
    for line in page.splitlines(keepends=True):
        first = line.split("|")[1] if line.startswith("| `") else ""
        kept = [code for code in re.findall(r"`([A-Z0-9_*]+)`", first) if code not in gone]
        if first and kept:
            line = line.replace(first, " " + ", ".join(f"`{code}`" for code in kept) + " ", 1)
        if not first or kept:
            out.append(line)
    return "".join(out)


def main() -> None:
    """Reads the contract, writes the table; or mends the page."""
    if sys.argv[1:] == ["--page"]:
        root = Path(__file__).resolve().parents[1]
        page = root / "docs" / "not-implemented.md"
        held, _, rest = page.read_text("utf-8").partition("## Rules whose three cases")
        page.write_text(without(held, stated(root)) + "## Rules whose three cases" + rest, encoding="utf-8")
        return
    source, target = Path(sys.argv[1]), Path(sys.argv[2])
    with target.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(("code", "section"))
        writer.writerows(codes(source.read_text(encoding="utf-8")))


if __name__ == "__main__":
    main()
