"""``ecgnet bench accuracy``: the instrument against published records, written as a page."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from server.commands.instrument import say
from server.refusal import Refusal

REPOSITORY = Path(__file__).resolve().parents[2]
PEERS = REPOSITORY / ".make" / "peers"
"""Where other libraries are put beside the environment:
``uv pip install --target .make/peers neurokit2 ecgdeli prominence-delineator sleepecg biosppy peakutils``."""


def run(data: Path, out: Path, *, peers: bool, pictures: bool, records: int | None) -> None:
    """Measures, and writes ``out``; :class:`Refusal` where the data folder is not there."""
    if not data.is_dir():
        raise Refusal(f"没有数据文件夹 {data}。", f"There is no data folder {data}.")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # one core is measured
    if peers and PEERS.is_dir():
        sys.path.append(str(PEERS))  # behind ours, so that no library of ours is replaced
    from ecg.accuracy import Sizes, written

    began = time.perf_counter()

    def heard(section: str) -> None:
        say(f"{time.perf_counter() - began:5.0f} s  {section}")

    drawings = out.parent / "pictures" if pictures else None
    page = written(data.resolve(), Sizes(records, peers), time.perf_counter, heard, drawings)
    try:
        out.write_text(page, encoding="utf-8")
    except OSError as error:
        raise Refusal(f"{out} 写不进去:{error.strerror}。", f"{out} cannot be written: {error.strerror}.") from error
    heard(str(out))
