"""stub"""


def help_text(t):
    return t


def error(t):
    return t
