"""`python -m backend COMMAND …`: the commands of the desk (see backend/cli)."""

import sys

from backend.cli import main

sys.exit(main(sys.argv[1:]))
