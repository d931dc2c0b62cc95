"""From the device to the durable exam (floor 3).

A file arrives by one POST or in pieces by tus; its original, its exam and its event are committed together, and
only then the receipt leaves. Who the patient is, whether the bytes came before, and what may not come in at all is
decided here. May import `county`, `ledger`, `ecg`; it meets `triage` in the ledger and never imports it.
"""
