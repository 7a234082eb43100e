"""The stages of a batch: consume → decode → load → fold → encode → publish → store.

None imports another; `processor.runtime.pipeline` puts them in order.
"""
