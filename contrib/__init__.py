"""What comes with matrix_presence and is not part of the package."""
