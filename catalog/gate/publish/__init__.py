"""The publish job, which alone writes to the store (law 3), and the erase job that follows it."""
