"""Makes rows: from a spec and seed texts, through models, to Parquet."""
