"""The program on the village PC (floor 3): it packs what the cart wrote, sends it, and resumes after each cut.

It runs on a base install, without the server's dependencies: of ours it may import `ecg` only, and it speaks to the
county by HTTP and a device key like any foreign device. A receipt here means that the county has committed the bytes.
"""
