"""Data made up by formula."""
