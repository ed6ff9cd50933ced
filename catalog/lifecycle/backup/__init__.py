"""Backups of an archive, made while it works, and proved.

running    which backups ran, and whether one runs now
folder     the folder of a backup: its names, what it says of itself
snapshot   a catalogue in one file, and back
listed     the objects that a catalogue names
staged     the staging folder, mirrored
create     brings a backup up to date
check      the drill
repository its folder, put into a restic or borg repository
"""

from catalog.lifecycle.backup.running import is_running, newest

__all__ = ["is_running", "newest"]
