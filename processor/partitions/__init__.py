"""The life of a partition: taken over, checked, fenced, acquired."""
