"""The offline bundle: a directory (or tar) that somebody carries to a site without a network, to install from it.

Not to be confused with the redacted archives of evidence that ``kedoctor collect`` writes (:mod:`kedoctor.bundle`).
What is in an offline bundle is :mod:`kedoctor.offline.inventory`; reading one is :mod:`kedoctor.offline.reading`.
"""
