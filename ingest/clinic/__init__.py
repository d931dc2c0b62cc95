"""The program on the village PC (floor 3): sees a finished file, keeps it, grades it on the spot, sends and resumes.

It runs on a base install, without the server's dependencies: of ours it imports `ecg` only, and it speaks to the
county by HTTP and a device key like any foreign device. A receipt here means that the county has committed the bytes.
"""
