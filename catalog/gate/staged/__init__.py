"""The staging area on disk: names, bytes and durability of what waits at the gate. The only place where identities may lie."""
