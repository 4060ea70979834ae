"""The frame around every page. It lies in pages/ on purpose: Streamlit looks for a folder `pages` beside the
main script and finds none, so no page can be opened around the frame.
"""

import sys
from pathlib import Path

ROOT = str(Path(__file__).resolve().parent.parent)
if ROOT not in sys.path:
    sys.path.insert(0, ROOT)

from pages.shared import shell  # noqa: E402 (needs the repository root on the path)

shell.run()
