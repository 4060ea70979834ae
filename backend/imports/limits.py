"""How large a file may be (product decisions; refused clearly beyond)."""

MAX_BYTES = 50 * 1024 * 1024
MAX_ROWS = 200_000  # data rows, the header not counted
MAX_COLUMNS = 512
MAX_CELL = 32_767  # Excel's own limit for the text of a cell
MAX_LINE = 4_000_000  # signs of a physical line: bounds what one record of a text file can hold in memory
MAX_LINES = 5 * MAX_ROWS  # physical lines, blank ones and those inside cells counted

MAX_ENTRIES = 2_000  # files inside a workbook
MAX_UNPACKED = 400 * 1024 * 1024  # sum of their declared sizes; no genuine export of 200,000 rows reaches it
MAX_RATIO = 200  # unpacked to packed, once more than RATIO_FROM is unpacked
RATIO_FROM = 20 * 1024 * 1024
MAX_SHARED_TEXT = 100_000_000  # signs in the table of shared strings
