"""What keeps an archive for fifteen years: proofs that bytes are what they were, and ways back.

verify    every object against its digest, both directions against the catalogue and the manifests
repair    good copies put in the place of damaged ones
"""
