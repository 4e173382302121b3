"""`python -m workflow.cli`: the command line without the installed script."""

from workflow.cli import main

if __name__ == "__main__":
    main()
