"""In-memory fakes of the ports, held to the same contract suites as what they stand for."""
