"""What lies between a finished run and the Hub: what may go, under which licence, and how it gets there."""
