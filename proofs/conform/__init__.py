"""The requirements of the standards, asked of anybody's implementation from outside.

``protocol.md`` says how a target is asked, ``agents`` ask packages of Python, ``checks`` know
what the standards want, ``setting`` has receivers and variables for cases that need them,
``run`` counts and shrinks, ``report`` shows.
"""
