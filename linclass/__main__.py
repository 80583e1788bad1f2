"""`python -m linclass` is `linclass`."""

from linclass.cli import main

if __name__ == "__main__":
    main()
