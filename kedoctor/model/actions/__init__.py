"""What can be changed: actions as data, so that they can be shown, journalled, done and taken back.

An action says what shall be, not how. What was there before is looked at by the actor that carries it out, and
stands in the journal before anything is touched. Every action has an exact inverse, except two: that of a restart
is another restart, after the files are what they were (see :class:`Restart`), and a foreign program that takes over
has none at all (see :class:`RunProgram`).
"""
