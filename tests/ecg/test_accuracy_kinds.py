"""The table of beat kinds counts what EC57 counts."""

from __future__ import annotations

from ecg.accuracy.beat_kinds import counted
from ecg.analysis import Kind

D, P, V, F = Kind.DOMINANT, Kind.PREMATURE, Kind.VENTRICULAR, Kind.FUSION


def test_a_beat_is_right_only_where_it_is_found_and_named_alike() -> None:
    true = [(100, "N"), (200, "V"), (300, "A"), (400, "V"), (500, "N"), (600, "a")]
    ours = [(101, D), (205, V), (298, V), (500, V), (604, Kind.ABERRANT), (700, V)]
    found = counted(true, ours, 10)
    wild, early = found["ventricular"], found["premature atrial, junctional or aberrant"]
    # One of two ventricular beats; false ones on an atrial, a normal and no beat.
    assert (wild.right, wild.missed, wild.wrong) == (1, 1, 3)
    assert (early.right, early.missed, early.wrong) == (1, 1, 0)


def test_a_fused_beat_that_is_called_ventricular_is_neither_right_nor_wrong() -> None:
    found = counted([(100, "F"), (200, "F")], [(100, V), (200, F)], 10)
    assert (found["ventricular"].right, found["ventricular"].wrong) == (0, 0)
    assert (found["fusion"].right, found["fusion"].missed) == (1, 1)


def test_each_beat_is_used_once() -> None:
    found = counted([(100, "V"), (104, "V")], [(102, V)], 10)
    assert (found["ventricular"].right, found["ventricular"].missed, found["ventricular"].wrong) == (1, 1, 0)
    assert counted([], [(5, P)], 10)["premature atrial, junctional or aberrant"].wrong == 1
