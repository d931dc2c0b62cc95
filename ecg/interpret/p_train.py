"""P waves sought for themselves: a train of like waves at a steady distance, wherever the QRS fall (CLINICAL.md §3.1).

The measurement looks for P before QRS. In AV block P stands anywhere: behind T, on T, within QRS. Here the recording is
brought to 100 Hz, every QRS is bridged, and (where P and QRS are not tied to each other) the average ST–T is taken
away. What is left is cut into windows of 160 ms without level, slope and curvature, all leads as one vector: a T wave
has little else, a P wave keeps its hump. Waves that resemble one another are linked to a train whose PP varies by no
more than a tenth; a P that would fall into QRS is hidden and counts neither for nor against.

Asked only where the ventricles give a reason (a slow rate, a pause, P that is not tied to QRS): others pay nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from ecg.analysis import Kind
from ecg.arrays import Flags, Floats, Ints, counted, middle, typical
from ecg.interpret.facts import Facts
from ecg.marks import NOWHERE

STEP_MS = 10.0
WIDTH = 16
"""Samples of a window."""
LEADS = ("I", "II", "V1", "V2", "V5")
"""P is seen in these, and each says something of its own."""
QRS_MARGIN_MS = 20.0
BLIND_MS = 50.0
"""The middle of a P nearer than this to QRS cannot be seen."""
T_TAIL_MS = 60.0
LIKE = 0.6
GAIN = (0.4, 2.2)
"""Size of a P against the template's."""
SEEDS = 14
BEATS_PER_AVERAGE = 3
PP_MS = (250.0, 2000.0)
DRIFT = 0.12
"""How far a P may lie from where the last PP puts it, as a share of PP."""
MOST_PP = 8
"""So many distances between like waves are tried, the most frequent first."""
LEAST_SEEN = 4
MOST_MISSING = 0.17
HALF_P_MS = 50.0
SAME_P_MS, KNOWN_SHARE = 50.0, 0.85
"""A known P and one of the train are the same within this; so many of the known ones must be."""
ALIKE = 0.85
"""Mean of the P waves that are not conducted against that of the conducted ones."""
HALFWAY_MS = np.arange(-90.0, 91.0, 10.0)
"""A blocked P may be so far from the middle between two conducted ones."""
SEEN, HIDDEN, LOST = 0, 1, 2


@dataclass(frozen=True, slots=True, eq=False)
class Train:
    """P waves in order: middle of each in ms, whether it was seen, whether it is ``lost`` (neither seen nor hidden in
    QRS), typical PP, mean likeness, and the sign of the hump in II (0: not known)."""

    at_ms: Floats
    seen: Flags
    lost: Flags
    pp_ms: float
    likeness: float
    upright: int

    @property
    def onset_ms(self) -> Floats:
        """About where each P begins."""
        return self.at_ms - HALF_P_MS

    @property
    def rate_bpm(self) -> float:
        """Atrial rate."""
        return 60000.0 / self.pp_ms


@dataclass(frozen=True, slots=True, eq=False)
class Atlas:
    """Every window of the recording: float [window, lead × sample], its size, and which middles QRS hides; ``lead``:
    row of II among the leads or −1."""

    rows: Floats
    size: Floats
    blind: Flags
    lead: int

    def centre(self, at_ms: Floats | float) -> Ints:
        """The windows whose middle lies at these times."""
        return np.rint((np.asarray(at_ms) - STEP_MS * (WIDTH - 1) / 2) / STEP_MS).astype(np.intp)

    def time(self, window: Ints | int) -> Floats:
        """Middle of these windows in ms."""
        return (np.asarray(window) + (WIDTH - 1) / 2) * STEP_MS


def atlas(facts: Facts, *, tied: bool) -> Atlas | None:
    """All windows of the recording; without ``tied`` the average ST–T is taken away first. ``None`` without leads."""
    marks = facts.marks
    names = [n for n in LEADS if n in facts.leads and facts.readable(n)]
    if marks is None or not names or not facts.signal.size:
        return None
    step = max(1, round(STEP_MS * facts.rate_hz / 1000.0))
    per_ms = 1000.0 * step / facts.rate_hz
    raw = facts.signal[[facts.leads.index(n) for n in names]]
    x = raw[:, : raw.shape[1] // step * step].reshape(len(names), -1, step).mean(axis=2)
    if x.shape[1] < 4 * WIDTH:
        return None
    ms = 1000.0 / facts.rate_hz
    spans = marks.qrs_global.astype(np.float64) * ms / per_ms
    known = marks.qrs_global[:, 0] != NOWHERE
    if not tied:
        x = _without_t(x, facts, spans, known, ms / per_ms)
    x, blind = _bridged(x, spans[known], per_ms)
    view = np.lib.stride_tricks.sliding_window_view(x, WIDTH, axis=1)
    rows = np.ascontiguousarray(view.transpose(1, 0, 2))
    base = _basis()
    rows = rows - (rows @ base) @ base.T
    flat = rows.reshape(rows.shape[0], -1)
    size = np.sqrt(np.einsum("ij,ij->i", flat, flat))
    half = (WIDTH - 1) // 2
    hidden = blind[half : half + flat.shape[0]]
    return Atlas(flat, size, hidden, names.index("II") if "II" in names else -1)


@cache
def _basis() -> Floats:
    """Level, slope and curvature of a window, orthonormal, float [sample, 3]."""
    t = np.linspace(-1.0, 1.0, WIDTH)
    return np.linalg.qr(np.stack([np.ones(WIDTH), t, t * t], axis=1))[0]


def _without_t(x: Floats, facts: Facts, spans: Floats, known: Flags, scale: float) -> Floats:
    """The signal less the ordinary beats' median from QRS to the end of T; other beats' T is bridged."""
    marks, beats = facts.marks, facts.rhythm.beats
    if marks is None:
        return x
    usual = np.array([b.kind in (Kind.DOMINANT, Kind.PREMATURE) for b in beats], dtype=np.bool_) & known
    out = x.copy()
    ends = marks.t_global[:, 2].astype(np.float64) * scale
    tail = np.where(marks.t_global[:, 2] == NOWHERE, np.nan, ends - spans[:, 0])
    length = float(np.nanmedian(tail)) if np.isfinite(tail).any() else 400.0 / STEP_MS
    width = int(length + T_TAIL_MS / STEP_MS)
    rows = np.flatnonzero(usual)
    start = np.rint(spans[:, 0]).astype(np.intp, casting="unsafe", copy=True)
    whole = rows[(start[rows] >= 1) & (start[rows] + width < x.shape[1])]
    if whole.size >= BEATS_PER_AVERAGE:
        cut = x[:, start[whole, None] + counted(width)[None, :]]
        mean = middle(cut - cut[:, :, :1], axis=1)
        for k in rows.tolist():
            a, b = max(0, start[k]), min(x.shape[1], start[k] + width, _next(start, k))
            if a < b and start[k] >= 0:
                out[:, a:b] -= mean[:, : b - a]
    for k in np.flatnonzero(known & ~usual).tolist():
        a, b = max(0, start[k]), min(x.shape[1] - 1, start[k] + width, _next(start, k))
        if a < b:
            out[:, a : b + 1] = out[:, a, None] + (out[:, b, None] - out[:, a, None]) * np.linspace(0, 1, b - a + 1)
    return out


def _next(start: Ints, k: int) -> int:
    return int(start[k + 1]) if k + 1 < start.size and start[k + 1] > 0 else 10**9


def _bridged(x: Floats, spans: Floats, per_ms: float) -> tuple[Floats, Flags]:
    """QRS replaced by a straight line, and the samples where the middle of a P cannot be seen."""
    out, blind = x.copy(), np.zeros(x.shape[1], dtype=np.bool_)
    margin, dark = QRS_MARGIN_MS / per_ms, BLIND_MS / per_ms
    for on, _, off in spans.tolist():
        a, b = max(0, int(on - margin)), min(x.shape[1] - 1, int(np.ceil(off + margin)))
        if a < b:
            out[:, a : b + 1] = x[:, a, None] + (x[:, b, None] - x[:, a, None]) * np.linspace(0.0, 1.0, b - a + 1)
        blind[max(0, int(on - dark)) : max(0, min(x.shape[1], int(np.ceil(off + dark)) + 1))] = True
    return out, blind


def seek(held: Atlas, places_ms: Floats) -> Train | None:
    """The best train of like waves. ``places_ms``: middles of P waves that are known already (none: the tallest waves
    are tried one after another, those that an earlier one was like left out)."""
    if places_ms.size >= BEATS_PER_AVERAGE:
        at = held.centre(places_ms)
        at = at[(at >= 0) & (at < held.size.size)]
        if not at.size:
            return None
        hits = _hits(held, np.median(held.rows[at], axis=0))
        found = _grown(held, hits)
        return found[0] if found is not None else None
    best: tuple[Train, float] | None = None
    taken = np.zeros(held.size.size, dtype=np.bool_)
    for k in _tallest(held):
        if taken[max(0, k - 3) : k + 4].any():
            continue
        hits = _hits(held, held.rows[k])
        taken[hits] = True
        found = _grown(held, hits)
        if found is not None and (best is None or found[1] > best[1]):
            best = found
    return best[0] if best is not None else None


def _tallest(held: Atlas) -> list[int]:
    """Windows of the tallest waves outside QRS, no two within 150 ms."""
    size = np.where(held.blind, 0.0, held.size)
    peaks = np.flatnonzero((size[1:-1] >= size[:-2]) & (size[1:-1] > size[2:])) + 1
    picked: list[int] = []
    for k in peaks[np.argsort(-size[peaks], kind="stable")].tolist():
        if all(abs(k - other) * STEP_MS >= 150.0 for other in picked):
            picked.append(k)
        if len(picked) == SEEDS:
            break
    return picked


def _grown(held: Atlas, first: Ints) -> tuple[Train, float] | None:
    """From waves that are alike to their mean, the waves like it, and the train that they make."""
    if first.size < LEAST_SEEN:
        return None
    # The window is moved to where the mean wave has its hump in the middle.
    moves = np.arange(-5, 6)
    inside = first[(first + moves[0] >= 0) & (first + moves[-1] < held.size.size)]
    if not inside.size:
        return None
    means = held.rows[inside[None, :] + moves[:, None]].mean(axis=1).reshape(moves.size, -1, WIDTH)
    humps = np.einsum("mlw,w->ml", means, hump())
    mean = means[int(np.argmax((humps**2).sum(axis=1)))].reshape(-1)
    hits = _hits(held, mean)
    return _linked(held, hits, mean) if hits.size >= LEAST_SEEN else None


@cache
def hump() -> Floats:
    """One hump of 100 ms in the middle of a window, without level, slope and curvature; size 1."""
    t = (np.arange(WIDTH) - (WIDTH - 1) / 2) * STEP_MS / HALF_P_MS
    wave = np.cos(np.pi / 2 * np.clip(t, -1.0, 1.0)) ** 1.5
    base = _basis()
    wave = wave - base @ (base.T @ wave)
    return wave / np.sqrt(wave @ wave)


def _alike(held: Atlas, template: Floats) -> tuple[Floats, Floats]:
    """Likeness and size of every window against a template."""
    dot, size = held.rows @ template, float(np.sqrt(template @ template)) + 1e-12
    return dot / (held.size + 1e-12) / size, dot / size**2


def _hits(held: Atlas, template: Floats) -> Ints:
    like, gain = _alike(held, template)
    good = (like >= LIKE) & (gain >= GAIN[0]) & (gain <= GAIN[1]) & ~held.blind
    score = np.where(good, like * np.minimum(gain, 1.0), 0.0)
    peaks = np.flatnonzero((score[1:-1] > 0) & (score[1:-1] >= score[:-2]) & (score[1:-1] > score[2:])) + 1
    # Of two peaks nearer than 150 ms the better one is the wave.
    keep = [k for k in peaks.tolist() if score[k] >= score[max(0, k - 14) : k + 15].max()]
    return np.array(keep, dtype=np.intp)


def _linked(held: Atlas, hits: Ints, template: Floats) -> tuple[Train, float] | None:
    times = held.time(hits)
    gaps = np.concatenate([times[k:] - times[:-k] for k in (1, 2, 3) if times.size > k])
    gaps = np.concatenate([gaps, gaps / 2.0])
    gaps, often = np.unique(np.rint(gaps[(gaps >= PP_MS[0]) & (gaps <= PP_MS[1])] / 40.0) * 40.0, return_counts=True)
    gaps = gaps[np.argsort(-often, kind="stable")[:MOST_PP]]
    best: tuple[float, list[tuple[float, int]], int] | None = None
    starts = hits[np.argsort(-held.size[hits], kind="stable")[:2]]
    dark = held.time(np.flatnonzero(held.blind))
    for pp in gaps.tolist():
        for start in held.time(starts).tolist():
            chain, missing = _chain(times, dark, start, pp, float(held.time(held.size.size - 1)))
            seen = sum(state == SEEN for _, state in chain)
            # A wave like P that has no place in the train speaks against it.
            score = seen - 1.5 * missing - 0.5 * (times.size - seen)
            if best is None or score > best[0]:
                best = score, chain, missing
    if best is None:
        return None
    score, chain, missing = best
    states = np.array([state for _, state in chain])
    seen = states == SEEN
    at = np.array([t for t, _ in chain])
    if seen.sum() < LEAST_SEEN or missing > MOST_MISSING * (seen.sum() + missing) or score <= 0.5 * float(seen.sum()):
        return None
    like, _ = _alike(held, template)
    places = held.centre(at[seen])
    pp = np.diff(at)
    crest = float(template.reshape(-1, WIDTH)[held.lead] @ hump()) if held.lead >= 0 else 0.0
    train = Train(at, seen, states == LOST, float(typical(pp)), float(like[places].mean()), int(np.sign(crest)))
    return train, score


def _chain(times: Floats, dark: Floats, start: float, pp: float, end: float) -> tuple[list[tuple[float, int]], int]:
    """The train through ``start`` at about ``pp``: (time, state) of each P, and how many are lost."""
    chain: list[tuple[float, int]] = [(start, SEEN)]
    missing = 0
    for direction in (1.0, -1.0):
        at, step = start, pp
        while True:
            want = at + direction * step
            if want < 0 or want > end:
                break
            k = int(np.searchsorted(times, want))
            near = min((abs(times[j] - want), times[j]) for j in (k - 1, k) if 0 <= j < times.size)
            if near[0] <= DRIFT * step:
                chain.append((float(near[1]), SEEN))
                if abs(abs(near[1] - at) - pp) <= DRIFT * pp:
                    step = 0.5 * (step + abs(float(near[1]) - at))
                at = float(near[1])
            else:
                d = int(np.searchsorted(dark, want))
                hidden = any(0 <= j < dark.size and abs(dark[j] - want) <= 0.5 * DRIFT * step for j in (d - 1, d))
                missing += not hidden
                chain.append((want, HIDDEN if hidden else LOST))
                at = want
    chain.sort()
    return chain, missing


@dataclass(frozen=True, slots=True, eq=False)
class Search:
    """Whether P was sought for itself, could be sought, and what was found."""

    asked: bool
    possible: bool = True
    train: Train | None = None


def search(facts: Facts, tied: bool) -> Search:
    """The train of P, where slow ventricles, a pause, or P that is not ``tied`` to QRS ask for it."""
    r, limit, marks = facts.rhythm, facts.rules.limit, facts.marks
    rate = facts.measurements.heart_rate_bpm
    if marks is None or rate is None or r.rr_ms.size < 2 or not facts.signal.size:
        return Search(False)
    plain = r.dominant_rr_ms if r.dominant_rr_ms.size else r.rr_ms
    paused = float(plain.max()) >= limit("av_block", "search_pause") * float(typical(plain))
    if tied and not paused and rate >= limit("av_block", "search_bpm"):
        return Search(False)
    if r.p_share is None and not paused:
        return Search(False)
    places = marks.p_global[marks.p_global[:, 1] != NOWHERE, 1] * 1000.0 / facts.rate_hz
    known = places if tied else np.empty(0)
    train: Train | None = None
    for way in (True,) if tied else (False, True):
        held = atlas(facts, tied=way)
        if held is None:
            return Search(True, False)
        if tied and not paused and not _halfway(held, known):
            return Search(True)
        train = seek(held, known)
        if train is not None and tied and not _holds(held, train, known):
            train = None
        if train is not None:
            break
    return Search(True, True, train)


def _halfway(held: Atlas, known_ms: Floats) -> bool:
    """Whether halfway, or a third of the way, from P to P there is something like P: without it and without a pause
    each P is conducted, and no train need be sought."""
    if known_ms.size < 3:
        return True
    pp = float(typical(np.diff(known_ms)))
    own = held.rows[np.clip(held.centre(known_ms), 0, held.size.size - 1)].mean(axis=0)
    for share in (0.5, 1.0 / 3.0):
        window = known_ms[:-1, None] + pp * share + HALFWAY_MS[None, :]
        mean = held.rows[np.clip(held.centre(window), 0, held.size.size - 1)].mean(axis=0)
        like = mean @ own / (np.linalg.norm(mean, axis=1) * np.linalg.norm(own) + 1e-12)
        size = np.linalg.norm(mean, axis=1) / (np.linalg.norm(own) + 1e-12)
        if ((like >= LIKE) & (size >= GAIN[0])).any():
            return True
    return False


def _holds(held: Atlas, train: Train, known_ms: Floats) -> bool:
    """Whether the P waves that stand before QRS belong to the train (one that passes them by is of something else), and
    whether what else it holds is as like them as P waves are, and a T is not."""
    seen = train.at_ms[train.seen]
    apart = np.abs(known_ms[:, None] - seen[None, :])
    if (apart.min(axis=1) <= SAME_P_MS).mean() < KNOWN_SHARE:
        return False
    own = apart.min(axis=0) <= SAME_P_MS
    if (~own).sum() < 2:
        return True
    conducted, other = (held.rows[held.centre(seen[part])].mean(axis=0) for part in (own, ~own))
    size = float(np.linalg.norm(conducted)), float(np.linalg.norm(other))
    like = float(conducted @ other) / (size[0] * size[1] + 1e-12)
    return like >= ALIKE and 0.5 <= size[1] / (size[0] + 1e-12) <= 1.8
