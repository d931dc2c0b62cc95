"""One process of it all (floor 4): settings, the HTTP application, the command line, health, the demonstration county.

It wires the rooms together and holds no rule of medicine or of protocol itself. May import every room; the command
line imports each only when its command runs, so that `ecgnet --help` answers at once.
"""
