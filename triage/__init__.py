"""From the exam to the answer that was read back (floor 3).

The analyser claims exams and has the instrument read them; the rating gives colour and reasons; a case with its
alert is opened or joined in one commit; the ladder climbs until a human has acknowledged and decided; review, answer
and read-back follow, and the clocks keep every stamp. Each machine of states is one table. May import `county`,
`ledger`, `ecg`; it meets `ingest` in the ledger and never imports it.
"""
