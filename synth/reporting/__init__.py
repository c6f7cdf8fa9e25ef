"""The report on a run folder: what was made, what it cost, what to look at before anybody trains on it."""
