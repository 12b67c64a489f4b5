"""Readers of file formats: each turns bytes into arrays, or gives the reason why it cannot."""
