"""What is in the wheels, seen from where the tree is not."""
