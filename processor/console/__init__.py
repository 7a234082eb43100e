"""The console: pages that say whether a deployment is well and, if not, what to run.

A process of its own. It asks a `Source`, whose live form `processor/cli/console/` makes of the
functions behind the commands; a page shows the documents that those print with `--json`, and its
twin under `.json` returns them. Nothing here changes anything.
"""
