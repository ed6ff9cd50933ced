"""What keeps an archive for fifteen years: proofs that bytes are what they were, and ways back.

verify    every object against its digest, both directions against the catalogue and the manifests
access    who may see what, written into the store
numbers   of batches and corrections, never given twice
rebuild   the catalogue anew from the store alone; study_rows: what is shown of one study; history: its corrections and bin
repair    good copies put in the place of damaged ones
backup    copies of all of it, made while it works, and proved
restore   an archive back from such a copy
"""
