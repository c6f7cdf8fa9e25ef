"""A stand-in for vLLM: a real process with real HTTP, and faults on request."""
