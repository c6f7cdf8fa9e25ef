"""Where requests go: HTTP servers, the embedded engine, and the sliding window in front of each."""
