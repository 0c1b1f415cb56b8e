"""What runs in the interpreter of the package that is checked.

Each module is the text of a program, and is not imported here: ``agent`` speaks the protocol, the
others know a package each. They need the standard library of Python 3.7 and the package.
"""
