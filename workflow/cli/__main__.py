"""`python -m workflow.cli`: the command line without the installed script."""

import sys

from workflow.cli import main

if __name__ == "__main__":
    sys.exit(main())
