"""What checks rest on: documents that come with a plugin, and files of the programs that are judged.

A check (``references``), an explain page and a comment cite them in one way, "facts.md §3.5" or "testbed.md case g1"
(:mod:`.citations`); :class:`.library.Library` finds the section that is meant and where it lies.
"""
