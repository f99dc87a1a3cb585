"""Looking at the world as it is now: this machine, the network around it, and the cluster's API.

:class:`~kedoctor.observe.live.source.LiveSource` answers requests; :mod:`kedoctor.observe.live.subprocesses` starts every
child process. A command imports of this what it needs, when it needs it.
"""
