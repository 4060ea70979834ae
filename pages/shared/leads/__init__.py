"""Parts of the pages about leads."""
