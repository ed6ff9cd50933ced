"""What a reviewer sees of batches and decides on them."""
