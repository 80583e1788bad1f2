"""The command line: a thin skin over the library. It builds, calls and prints; heavy imports are lazy.

Modules, each importing only from those above it:

    help.py       what `--help` looks like: options in sections, whole summaries
    options.py    command-line options from Experiment
    console.py    progress, tables, errors as exit codes
    data.py       `linclass data`
    checks.py     `linclass gradcheck`, `optimum` and `parity`
    sweep.py      `linclass sweep`
    landscape.py  `linclass landscape`
    main.py       all commands
"""
