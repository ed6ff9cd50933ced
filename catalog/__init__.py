"""What the archive knows and keeps. Imports none of the other packages; every face is built on it."""
