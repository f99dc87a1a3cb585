"""The offline bundle: a directory (or tar) that somebody carries to a site without a network, to install from it.

Not to be confused with the redacted archives of evidence that ``kedoctor collect`` writes (:mod:`kedoctor.evidence.bundle`).
What is in an offline bundle is :mod:`kedoctor.model.offline_bundle`; reading one is :mod:`kedoctor.offline.reading`.
"""
