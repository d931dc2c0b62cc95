"""When a file is finished: bursts, locks, renames, pairs, shares and temporary names, against the rule by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.clinic.finished import Finder, Ready, Rules, Seen, is_wanted, key_of

RULES = Rules(quiet_s=2.0, patience_s=10.0, pair_s=10.0)


def looks(
    finder: Finder, moments: Sequence[tuple[float, Mapping[str, Seen]]], headers: Mapping[str, Sequence[str]] = {}
) -> list[tuple[float, tuple[str, ...]]]:
    """Looks at these moments, each ready recording taken at once; what was ready when."""
    found: list[tuple[float, tuple[str, ...]]] = []
    for now, seen in moments:
        for ready in finder.look(now, seen, headers):
            finder.taken(ready)
            found.append((now, ready.paths))
    return found


def only(finder: Finder, now: float, seen: Mapping[str, Seen], headers: Mapping[str, Sequence[str]] = {}) -> Ready:
    (ready,) = finder.look(now, seen, headers)
    return ready


def test_a_file_is_ready_two_seconds_after_its_last_change_and_once() -> None:
    growing = [(t / 2, {"a.xml": Seen(100 * (t + 1), t)}) for t in range(4)]  # last change seen at 1.5 s
    still = [(2 + t / 2, {"a.xml": Seen(400, 3)}) for t in range(12)]
    assert looks(Finder(RULES), [*growing, *still]) == [(3.5, ("a.xml",))]


def test_an_empty_file_is_not_finished() -> None:
    assert looks(Finder(RULES), [(float(t), {"a.xml": Seen(0, 1)}) for t in range(60)]) == []


def test_a_temporary_name_is_passed_over_until_it_is_renamed() -> None:
    before = [name for name in ("x.tmp", "~x.xml", ".x.xml", "x.xml.part", "x.crdownload", "x.xml~") if is_wanted(name)]
    assert before == []
    assert is_wanted("x.xml")
    assert not is_wanted("C/ecg.exe")
    renamed_in = {"x.xml": Seen(500, -(10**15))}  # a renamed file keeps its old time
    assert looks(Finder(RULES), [(0.0, {}), (1.0, renamed_in), (2.0, renamed_in), (3.0, renamed_in)]) == [
        (3.0, ("x.xml",))
    ]


@pytest.mark.parametrize("first", ["1.hea", "1.dat"])
def test_a_pair_is_one_recording_whichever_part_comes_first(first: str) -> None:
    named = {"1.hea": ("1.dat",)}
    both = {"1.hea": Seen(50, 1), "1.dat": Seen(900, 1)}
    one = {first: both[first]}
    part = named if first == "1.hea" else {}
    finder = Finder(RULES)
    assert [looks(finder, [(t, one)], part) for t in (0.0, 4.0, 8.0)] == [[], [], []]
    assert looks(finder, [(9.0, both), (10.0, both), (11.0, both)], named) == [(11.0, ("1.hea", "1.dat"))]


def test_a_part_that_never_comes_does_not_hold_the_other_for_ever() -> None:
    alone = {"1.hea": Seen(50, 1)}
    assert looks(Finder(RULES), [(float(t), alone) for t in range(15)], {"1.hea": ("1.dat",)}) == [(10.0, ("1.hea",))]
    own = {"cart.dat": Seen(50, 1)}  # a cart's own format
    assert looks(Finder(RULES), [(float(t), own) for t in range(15)]) == [(10.0, ("cart.dat",))]


def test_signals_named_otherwise_belong_to_the_header_that_names_them() -> None:
    headers = {"d/1.hea": ("d/a.dat", "d/b.dat")}
    assert {key_of(path, headers) for path in ("d/1.hea", "d/a.dat", "d/b.dat", "d/1.mat")} == {"d/1.hea"}
    assert key_of("d/c.dat", headers) == "d/c.dat"
    assert key_of("d/a.xml", headers) == "d/a.xml"


def test_a_held_file_is_tried_again_and_not_before_two_seconds() -> None:
    finder, seen = Finder(RULES), {"a.xml": Seen(9, 1)}
    finder.look(0.0, seen, {})
    ready = only(finder, 2.0, seen)
    finder.busy(ready, 2.0)
    assert finder.look(3.0, seen, {}) == []
    assert only(finder, 4.0, seen) == ready
    assert finder.still_s(ready, 12.0) == 12.0


def test_what_looks_cut_short_is_waited_for_once_and_then_taken_as_it_is() -> None:
    finder, seen = Finder(RULES), {"a.xml": Seen(9, 1)}
    finder.look(0.0, seen, {})
    assert finder.doubtful(only(finder, 2.0, seen))
    assert finder.look(9.0, seen, {}) == []
    assert not finder.doubtful(only(finder, 10.0, seen))
    grown = {"a.xml": Seen(90, 2)}  # it was half-written indeed: begins anew
    assert finder.look(10.5, grown, {}) == []
    assert finder.doubtful(only(finder, 12.5, grown))


def test_what_was_taken_comes_back_only_when_it_has_changed() -> None:
    finder = Finder(RULES)
    finder.know([("old.xml", Seen(9, 1))])
    assert looks(finder, [(float(t), {"old.xml": Seen(9, 1)}) for t in range(5)]) == []
    changed = {"old.xml": Seen(9, 2)}
    assert looks(finder, [(float(t), changed) for t in range(5, 10)]) == [(7.0, ("old.xml",))]
    assert not finder.is_waiting
    assert looks(finder, [(10.0, {}), *[(11.0 + t, changed) for t in range(4)]]) == [], "a share that was away"


# --- any writer, any polling -----------------------------------------------------------------------------------------

_steps = st.lists(
    st.tuples(
        st.floats(0.05, 6.0),  # seconds until this look
        st.sampled_from(["none", "grow", "touch", "vanish", "pair"]),
    ),
    min_size=1,
    max_size=30,
)


@given(steps=_steps, base=st.floats(-1e6, 1e6))
@settings(max_examples=60, deadline=None, derandomize=True)
def test_nothing_is_ready_while_it_changes_and_everything_is_once_it_has_stopped(
    steps: list[tuple[float, str]], base: float
) -> None:
    """Whatever the zero of the clock and the rhythm of the looks."""
    finder, now, size, mtime = Finder(RULES), base, 1, 0
    there, paired, changed_at = True, False, base
    taken: set[tuple[int, int, bool]] = set()
    for wait, what in [*steps, *[(1.0, "none")] * 13]:
        now += wait
        if what == "grow":
            size += 1
        if what in ("grow", "touch"):
            mtime, changed_at = mtime + 1, now
        if what == "vanish":
            there, changed_at = not there, now
        if what == "pair" and not paired:
            paired, changed_at = True, now
        seen = {"1.hea": Seen(size, mtime)} if there else {}
        if paired:
            seen["1.dat"] = Seen(100, 0)
        headers = {"1.hea": ("1.dat",)} if there else {}
        for ready in finder.look(now, seen, headers):
            assert now - changed_at >= RULES.quiet_s - 1e-6
            assert {path for path, _ in ready.files} == set(seen), "a pair is never torn"
            content = (size * there, mtime, paired)
            assert content not in taken
            taken.add(content)
            finder.taken(ready)
    if there:
        assert (size, mtime, paired) in taken, "what has stopped changing is taken"
