"""What a run survives: `python -m reliability kills 2000`, and the other commands of `--help`.

Not installed with the package; docs/reliability.md says what is promised. Modules, each importing only from
those above it:

    subject.py   the small run that is made to suffer, and what must come out of it
    faults.py    operating systems that die, or forget, at a named point
    kills.py     SIGKILL at fault points and at random times, again and again, then the comparison
    disk.py      a model of a disk that keeps only what was synced
    power.py     power loss after every operation of a run
    cost.py      what the saves of a run cost
    gradients.py every model's gradient check on every data set, and faults planted in them
"""
