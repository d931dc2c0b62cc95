"""What else could lift the ST segment: arguments beside a STEMI finding (CLINICAL.md §4.8).

A mimic never deletes a finding. It *explains* the elevation only if all its conditions are true (not assessed explains
nothing) and it covers every contiguous pair that fulfils §4.1: ``kept=False``. Otherwise the finding stands against it.
"""

from __future__ import annotations

from ecg.analysis import Argument
from ecg.interpret.chambers import cornell, sokolow
from ecg.interpret.facts import Facts, Verdict
from ecg.interpret.logic import all3, any3, compare
from ecg.recording import Text

CHEST = {"V1", "V2", "V3", "V4", "V5", "V6"}
V1_V4 = ("V1", "V2", "V3", "V4")

J_AMBIGUOUS = Argument(
    "J_AMBIGUOUS",
    False,
    Text(
        "J后20毫秒没有相邻导联仍达标：J点位置存疑。",
        "No contiguous pair still meets its limits 20 ms after J: the J point is in doubt.",
    ),
)


def argue(
    facts: Facts, verdict: Verdict, code: str, pairs: list[tuple[str, str]], elevation: dict[str, float | None]
) -> tuple[Argument, ...]:
    """The mimics that were weighed for this finding; only those whose question arises."""
    out: list[Argument] = []
    leads = {lead for pair in pairs for lead in pair}
    if leads <= CHEST:
        aneurysm = _aneurysm(facts, leads)
        hypertrophy = _hypertrophy(facts, leads)
        out += [a for a in (aneurysm, hypertrophy) if a is not None]
    return tuple(out)


def pathological_q(facts: Facts, lead: str) -> bool | None:
    """Q (or QS) of §3.5 in one lead: over 20 ms or QS in V2–V3, else at least 30 ms and 0.1 mV, or QS."""
    q, r, width = facts.value(lead, "q_mv"), facts.value(lead, "r_mv"), facts.value(lead, "q_ms")
    if q is None or r is None or width is None:
        return None
    if q < 0 and r == 0:
        return True
    if lead in ("V2", "V3"):
        return q < 0 and width > facts.rules.limit("q", "v2_v3_ms")
    return width >= facts.rules.limit("q", "other_ms") and q <= -facts.rules.limit("q", "depth_mv")


def _aneurysm(facts: Facts, leads: set[str]) -> Argument | None:
    """QS or pathological Q under the elevation: an old aneurysm has small T (rules A and B must both say so)."""
    no_r = [compare(n, "r_mv", facts.value(n, "r_mv"), "<", facts.rules.limit("aneurysm", "no_r_mv")) for n in V1_V4]
    scar = any3(
        [
            *(pathological_q(facts, n) for n in V1_V4),
            *(all3([t.true, _has_q(facts, n)]) for t, n in zip(no_r, V1_V4, strict=True)),
        ]
    )
    if not scar:
        return None
    t = [facts.value(n, "t_positive_mv") for n in V1_V4]
    qrs = [facts.value(n, "qrs_pp_mv") for n in V1_V4]
    if any(v is None for v in t + qrs) or not all(qrs):
        return Argument(
            "ANEURYSM", True, Text("室壁瘤规则缺数据，不能解释抬高。", "Aneurysm rule lacks data: it explains nothing.")
        )
    heights, sizes = [v or 0.0 for v in t], [v or 1.0 for v in qrs]
    a = round(sum(heights) / sum(sizes), 4)
    b = round(max(h / s for h, s in zip(heights, sizes, strict=True)), 4)
    quiet = a <= facts.rules.limit("aneurysm", "t_sum_ratio") and b < facts.rules.limit("aneurysm", "t_lead_ratio")
    numbers = f"ΣT/ΣQRS {a:.2f} (0.22), max T/QRS {b:.2f} (0.36)"
    if quiet and leads <= CHEST:
        return Argument(
            "ANEURYSM",
            False,
            Text(f"有Q/QS且T波低：{numbers}，符合室壁瘤。", f"Q or QS with low T, {numbers}: fits an old aneurysm."),
        )
    return Argument(
        "ANEURYSM",
        True,
        Text(f"有Q/QS但T波高：{numbers}，符合急性。", f"Q or QS but tall T, {numbers}: fits an acute infarction."),
    )


def _has_q(facts: Facts, lead: str) -> bool | None:
    q = facts.value(lead, "q_mv")
    s = facts.value(lead, "s_mv")
    return None if q is None or s is None else q < 0 or s < 0


def _hypertrophy(facts: Facts, leads: set[str]) -> Argument | None:
    """LVH voltage explains elevation only with strain, without Q in the elevated leads, and below Armstrong's ratio."""
    voltage = any3([*(t.true for t in sokolow(facts)), cornell(facts).true])
    if not voltage:
        return None
    limit = facts.rules.limit
    strain = any3(
        all3(
            [
                compare(n, "st_j80_mv", facts.value(n, "st_j80_mv"), "<=", limit("lvh", "strain_st_mv")).true,
                compare(n, "t_mv", facts.value(n, "t_mv"), "<=", limit("lvh", "strain_t_mv")).true,
            ]
        )
        for n in ("I", "aVL", "V5", "V6")
    )
    scarred = any3(pathological_q(facts, n) for n in sorted(leads) if n != "V1")
    ratios: list[float | None] = []
    for n in ("V1", "V2", "V3"):
        st, size = facts.value(n, "st_j_mv"), facts.value(n, "qrs_pp_mv")
        ratios.append(None if st is None or not size else round(st / size, 4))
    known = [r for r in ratios if r is not None]
    acute = None if len(known) < 3 else sum(r >= limit("lvh", "armstrong_ratio") for r in known) >= 2
    said = ", ".join(f"{r:.2f}" for r in known)
    if strain is True and scarred is False and acute is False:
        return Argument(
            "H_LVH",
            False,
            Text(
                f"左室肥大伴劳损，ST/QRS {said}(<0.25)：继发性抬高。",
                f"LVH with strain, ST/QRS {said} (< 0.25): secondary elevation.",
            ),
        )
    reason = "no strain" if strain is not True else "Q waves" if scarred is not False else f"ST/QRS {said}"
    zh = "无劳损" if strain is not True else "有Q波" if scarred is not False else f"ST/QRS {said}"
    return Argument(
        "H_LVH",
        True,
        Text(f"有左室高电压，但{zh}：不能解释抬高。", f"LVH voltage, but {reason}: it does not explain the elevation."),
    )
