"""The requirements of the standards, asked of anybody's implementation from outside.

``protocol.md`` says how a target is asked, ``agents`` ask packages of Python, ``checks`` know
what the standards want, ``run`` counts and shrinks, ``report`` shows.
"""
