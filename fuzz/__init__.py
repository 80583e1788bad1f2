"""Hostile files by the million for every reader of linclass: `python -m fuzz --help`, docs/hostile-files.md.

No part of the package: it lies beside it, as the tests do, and is in no wheel.
"""
