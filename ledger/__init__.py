"""The ledger: what must not be lost.

Every table (``schema``), one writer with group commit (``database``), gapless numbered events and the audit chain
(``events``, ``chain``), rows whose time has come (``due``), original bytes (``originals``) and the one clock
(``clock``). It knows nothing of medicine, people or protocols, and imports none of our rooms.
"""
