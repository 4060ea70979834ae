"""Headers -> records: one layout for each kind of file we know, one builder for each kind of record."""
