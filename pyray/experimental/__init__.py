"""What Ray calls experimental."""
