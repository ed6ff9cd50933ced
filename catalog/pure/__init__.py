"""What decides: names, nodes, access, batch states, errors.

Plain functions and tables over frozen values. No I/O, no clock, no database, no import of anything that has them.
"""
