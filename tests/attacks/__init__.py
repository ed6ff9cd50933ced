"""Attacks on a mount for all users, by real Unix users: each test says what is refused, and when."""
