"""The loop: polling, the pipeline, assignment, pacing, startup and shutdown."""
