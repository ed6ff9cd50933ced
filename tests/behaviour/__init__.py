"""One suite of what a reader may rely on, run on the bare view and on every face of it."""
