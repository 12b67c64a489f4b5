"""Readers of files and bytes: each turns one format into arrays, or says why it cannot."""
