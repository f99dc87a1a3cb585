"""kedoctor: finds, names, repairs and takes back what breaks a KubeEdge site's logs, exec, attach and top.

The package is three rooms: ``kedoctor`` (the engine), ``kedoctor.checks`` (the knowledge) and
``kedoctor.reports`` (the report formats). Plugins import from :mod:`kedoctor.api` only.
"""

__version__ = "0.1.0"
