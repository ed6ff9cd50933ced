"""The engines: how a file's bytes are taken apart and put together again. What to do with a value is never decided here."""
