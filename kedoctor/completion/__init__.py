"""What a shell offers behind ``kedoctor`` and TAB. It is asked at each TAB, so it imports neither click nor a command.

``index.json`` holds commands and options (written from the command line itself by ``docs/man/make.py``); codes, kept runs
and edge nodes are looked up. The scripts of each shell call :func:`main` through ``KEDOCTOR_COMPLETE``.
"""
