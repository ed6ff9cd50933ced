"""Numbers in addresses."""

LARGEST = (1 << 53) - 1
NUMBER = f"<int(max={LARGEST}):number>"
