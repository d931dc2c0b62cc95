"""Who is there and who may do what (floor 2).

Counties, sites, devices, people and their roles, rosters, sign-in, and the audit of what was seen and done.
`access.may` is the only gate: every route names its action and asks it; what one may not see does not exist.
May import `ledger` only.
"""
