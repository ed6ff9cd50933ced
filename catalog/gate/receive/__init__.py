"""Receiving files from sources: bytes and row are durable before they are acknowledged (law 4)."""
