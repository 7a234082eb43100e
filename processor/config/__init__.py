"""The settings: one typed value, made once at the start and never changed.

`settings` names them and says what each may be; `kafka` says which librdkafka properties are the
processor's own; `sources` gathers them from flags, environment and file, and explains what is
wrong; `show` tells the effective values with the secrets masked.
"""

from processor.config.settings import Settings
from processor.config.show import Shown, effective
from processor.config.sources import LoadedSettings, load

__all__ = ["LoadedSettings", "Settings", "Shown", "effective", "load"]
