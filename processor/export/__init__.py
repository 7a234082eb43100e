"""The output in files that others read: which records, as what rows, and in which format."""
