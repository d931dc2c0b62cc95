"""How well the instrument measures, on a folder of published records: the work of ``ecgnet bench accuracy``.

Every figure of docs/accuracy.md comes from here and nowhere else. Nothing is drawn by lot, so two runs give the same
page, speed aside; the clock is handed in, as the instrument has none. Other libraries run beside it where they can do
the task and are there.
"""

from __future__ import annotations

from ecg.accuracy.report import Sizes, written

__all__ = ["Sizes", "written"]
