"""`python -m linclass` is `linclass`."""

from linclass.cli.main import main

if __name__ == "__main__":
    main()
