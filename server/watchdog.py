"""``ecgnet watchdog``: another process that notices when the engine stands still, and alarms by a way of its own.

It asks over HTTP and touches no database: is the server ready, and how late is the next rung of any ladder? What it
finds goes through :class:`Judge`, which is pure: it waits out a blink, alarms once, again with growing pauses while it
lasts, and says when it is well again. Run it on another machine, with another line out: what stops the server must not
stop it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from server.refusal import Refusal

if TYPE_CHECKING:
    from triage.channels import Words

EVERY_S = 10.0
PATIENCE_S = 30.0  # a restart takes some ten seconds: shorter is a blink
LATE_S = 15.0  # a rung is due within a poll interval; this late, nobody climbs
ASK_S = 5.0
AGAIN_S = (300.0, 600.0, 1200.0, 3600.0)  # pauses between alarms of one trouble

_LATE = re.compile(r"^ecgnet_ladder_late_seconds (\S+)$", re.MULTILINE)

_WORDS = {
    "no-answer": ("服务器没有应答", "the server does not answer"),
    "not-ready": ("服务器未就绪", "the server is not ready"),
    "ladder-late": ("警报升级停住了", "the ladders stand still"),
}


@dataclass(frozen=True, slots=True)
class Say:
    """What to send: an alarm of a trouble that has lasted so long, or that it is over."""

    trouble: str | None
    lasted_s: float


@dataclass(slots=True)
class Judge:
    """From what is seen to what is said. ``patience_s``: how long a trouble must last before it is told."""

    patience_s: float = PATIENCE_S
    since: float | None = None
    said: int = 0
    next_at: float = 0.0

    def seen(self, now: float, trouble: str | None) -> Say | None:
        """One look at ``now`` (monotonic seconds)."""
        if trouble is None:
            lasted, told = now - (self.since if self.since is not None else now), self.said > 0
            self.since, self.said = None, 0
            return Say(None, lasted) if told else None
        if self.since is None:
            self.since, self.next_at = now, now + self.patience_s
        if now < self.next_at:
            return None
        self.next_at = now + AGAIN_S[min(self.said, len(AGAIN_S) - 1)]
        self.said += 1
        return Say(trouble, now - self.since)


def look(address: str) -> str | None:
    """What is wrong with the server at ``address``; ``None`` if nothing is."""
    import httpx

    try:
        with httpx.Client(base_url=address, timeout=ASK_S) as client:
            ready = client.get("/readyz")
            if ready.status_code != 200:
                return "not-ready"
            late = _LATE.search(client.get("/metrics").text)
    except (httpx.HTTPError, OSError):
        return "no-answer"
    if late is None:
        return "not-ready"
    return "ladder-late" if float(late.group(1)) > LATE_S else None


def words(say: Say, address: str) -> Words:
    """The message, in both languages; no patient is in it, because the watchdog knows of none."""
    from triage.channels import Words

    minutes = max(round(say.lasted_s / 60), 1)
    if say.trouble is None:
        return Words(
            "【恢复】心电网 ecgnet is well again",
            f"{address} 已恢复，历时约{minutes}分钟。 Well again after some {minutes} min.",
        )
    zh, en = _WORDS[say.trouble]
    return Words(
        "【紧急】心电网停摆 ecgnet has stopped",
        f"{address}：{zh}，已约{minutes}分钟。请立即处理，并电话通知值班医生。"
        f" {address}: {en}, for some {minutes} min. See to it now, and ring the doctors on call.",
    )


def watch(
    address: str,
    alarms: Sequence[str],
    every_s: float = EVERY_S,
    patience_s: float = PATIENCE_S,
    heard: Callable[[str], None] = print,
) -> None:
    """Look again and again until the process is ended; each change goes to every address of ``alarms``."""
    from ledger.ids import new_id
    from triage import channels

    judge = Judge(patience_s)
    while True:
        trouble = look(address)
        say = judge.seen(time.monotonic(), trouble)
        if say is not None:
            message = words(say, address)
            sent = [channels.send(one, message, new_id()).delivered for one in alarms]
            heard(f"{say.trouble or 'well'}: {sum(sent)}/{len(sent)} alarms delivered")
            if say.trouble is not None and not any(sent):
                judge.next_at = time.monotonic() + every_s  # nobody has heard it: again at the next look
        time.sleep(every_s)


def check(alarms: Sequence[str]) -> None:
    """:class:`Refusal` unless there is an address, and each can be used; none is quoted."""
    from server.serve import need_server

    need_server()
    from triage import channels

    if not alarms:
        raise Refusal(
            "看门狗需要至少一个报警地址（--alarm 或 ECGNET_WATCHDOG_ALARM）。",
            "A watchdog needs an address to alarm: --alarm, or ECGNET_WATCHDOG_ALARM.",
        )
    for number, one in enumerate(alarms, 1):
        problem = channels.check(one)
        if problem is not None:
            raise Refusal(
                f"第 {number} 个报警地址不能用（{problem}）。", f"Alarm address {number} cannot be used ({problem})."
            )
