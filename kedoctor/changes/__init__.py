"""The change half: plans, the journal, the hands that act, and how everything is rolled back.

``plan -> show -> confirm -> journal -> act -> check again -> finish, or undo`` (docs/architecture.md).
"""
