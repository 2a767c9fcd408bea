"""`python -m pbx.cli` is `pbx`."""

from pbx.cli import main

if __name__ == "__main__":
    main(prog_name="pbx")
