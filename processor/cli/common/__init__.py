"""What several commands share: options, output, times, files."""
