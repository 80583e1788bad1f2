"""Courses: published work as short records, each of which runs again with one command.

Modules, each importing only from those above it:

    work.py         what every record has: a command line, and what was published beside what is measured
    experiments.py  settings and their variants, trained
    searches.py     a space, searched
    claims.py       the claims of a report, each with a verdict and the numbers that decide it
"""
