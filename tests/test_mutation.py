"""Each mutant of the shipped code gets a judgement, and the score is no better than they are."""
