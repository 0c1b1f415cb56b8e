"""What the standards want, a module for each of their parts; each registers its checks.

A judge accuses only of what a sentence of the standard forbids for the input at hand. What a
header means comes from ``proofs.reading``, which reads by the grammars of ``spec/`` alone.
"""
