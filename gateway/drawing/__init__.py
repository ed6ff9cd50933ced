"""Pictures of staged and archived files, drawn where a hostile file hurts nobody.

processes  what the desk asks: a few processes, each for one file at a time
child      such a process: a child of its own for each file, with little memory and time
orders     how it is told which file
limits     how little
"""
