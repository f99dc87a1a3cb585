"""The change half: plans, the journal, the hands that act, and how everything is taken back.

``plan -> show -> confirm -> journal -> act -> check again -> finish, or undo`` (docs/architecture.md).
"""
