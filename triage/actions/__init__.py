"""What people do with a case, each action one function of its commit; :mod:`triage.review` brings them there."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from triage.actions import asking, deciding, holding, reporting
from triage.actions.common import Doing

ACTIONS: Mapping[str, Callable[[Doing], None]] = {
    "acknowledge": holding.acknowledge,
    "claim": holding.claim,
    "release": holding.release,
    "confirm": deciding.confirm,
    "downgrade": deciding.downgrade,
    "stand-down": deciding.stand_down,
    "retake": asking.retake,
    "statements": reporting.statements,
    "sign": reporting.sign,
    "amend": reporting.amend,
    "message": asking.message,
    "read-back": asking.read_back,
    "stop": holding.stop,
}
"""Each action of a person in ``states.CASE``; it raises what refuses it, and then nothing of it is kept."""

RE_AUTHENTICATED = frozenset({"sign", "amend"})
"""Who does these says their password once more: a signature is a person's, not a screen's."""
