"""The table of ARCHITECTURE.md §7, written out by hand, against the one gate."""

from __future__ import annotations

import pytest

from county.access import Action, Actor, Place, Role, has_role, may

# action: clinic, cardiologist, coordinator, administrator
TABLE = """
public          yes  yes  yes  yes
own-session     yes  yes  yes  yes
send            yes  -    -    -
see-exam        yes  yes  yes  -
see-cases       -    yes  yes  -
acknowledge     -    yes  yes  -
decide          -    yes  -    -
message         -    yes  yes  -
merge           -    -    yes  -
read-back       yes  -    -    -
see-roster      -    yes  yes  -
edit-roster     -    -    yes  -
stop-ladder     -    -    yes  -
see-figures     -    -    yes  -
see-sites       -    yes  yes  -
quarantine      -    -    yes  -
"""
ROLES = (Role.CLINIC, Role.CARDIOLOGIST, Role.COORDINATOR, Role.ADMINISTRATOR)
ALLOWED = {
    Action(row.split()[0]): {role for role, word in zip(ROLES, row.split()[1:], strict=True) if word == "yes"}
    for row in TABLE.strip().splitlines()
}
PLACES = {
    "the county": Place("here"),
    "own site": Place("here", "own"),
    "another site": Place("here", "another"),
    "another county": Place("there"),
    "a site of the same id in another county": Place("there", "own"),
}


def test_the_table_has_every_action() -> None:
    assert set(ALLOWED) == set(Action)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("action", Action)
def test_somebody_of_a_site_may_only_there(role: Role, action: Action) -> None:
    actor = Actor("here", "a", "somebody", role, "own")
    allowed = {name for name, place in PLACES.items() if may(actor, action, place)}
    assert allowed == ({"own site"} if role in ALLOWED[action] else set())
    assert has_role(actor, action) == (role in ALLOWED[action])


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("action", Action)
def test_somebody_of_the_county_may_in_all_of_it_and_nowhere_else(role: Role, action: Action) -> None:
    actor = Actor("here", "a", "somebody", role, None)
    allowed = {name for name, place in PLACES.items() if may(actor, action, place)}
    assert allowed == ({"the county", "own site", "another site"} if role in ALLOWED[action] else set())


@pytest.mark.parametrize("action", Action)
def test_a_device_may_what_the_clinic_may_at_its_site(action: Action) -> None:
    person = Actor("here", "a", "somebody", Role.CLINIC, "own")
    device = Actor("here", "d", "a device", Role.CLINIC, "own", is_device=True)
    for place in PLACES.values():
        assert may(device, action, place) == may(person, action, place)
