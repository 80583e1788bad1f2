"""How fast linclass is beside its peers: `python -m benchmarks` (see README.md in this folder).

Not installed with the package. Modules, each importing only from those above it:

    workloads.py    what is trained: the table of workloads
    problem.py      a workload's numbers: rows, first weights, orders; the same for every contender
    contenders/     linclass and its peers, a short file each
    agreement.py    is a contender's result that of the float64 reference?
    worker.py       the process that one contender lives in
    rounds.py       the contenders of one workload in turn, round after round
    whole_runs.py   start-up, memory and output of whole `linclass` commands
    machine.py      what this machine is, and the most its arithmetic gives
    report.py       the tables and the JSON file
    cli.py          the command line
"""
