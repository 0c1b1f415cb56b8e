"""The grammars of the standards, as they stand in ``spec/``, read as languages."""

from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from abnf.parser import Alternation, Concatenation, Literal, Option, Repetition, Rule

from . import languages
from .languages import EPSILON, Language

SPEC = Path(__file__).resolve().parent.parent / "spec"


@dataclass(frozen=True)
class Grammar:
    """One rule of a grammar in ``spec/``, in the notation of RFC 5234."""

    file: str
    rule: str

    @cached_property
    def language(self) -> Language:
        return _language(_rules(self.file)(self.rule), ())

    def matches(self, text: str) -> bool:
        """Whether the whole text is derived from the rule."""
        return text in self.language


def grammar(path: Path, rule: str) -> Grammar:
    """A rule of a grammar that stands elsewhere, in a file that ends in .abnf.

    The rule has to be regular: no rule is defined by itself.
    """
    return Grammar(str(path.resolve().with_suffix("")), rule)


@cache
def _rules(file: str) -> type[Rule]:
    class Rules(Rule):  # type: ignore[misc]  # the library has no types
        """The rules of this file, and of no other."""

    source = (SPEC / f"{file}.abnf").read_text(encoding="ascii")
    Rules.load_grammar(source.replace("\n", "\r\n"), strict=True)
    return Rules


def _language(node: Any, inside: tuple[str, ...]) -> Language:
    match node:
        case Rule():
            if node.name in inside:
                raise ValueError(f"the rule {node.name} is defined by itself and not regular")
            return _language(node.definition, (*inside, node.name))
        case Alternation():
            return languages.union([_language(part, inside) for part in node.parsers])
        case Option():
            return languages.union([EPSILON, _language(node.alternation, inside)])
        case Concatenation():
            return languages.concatenation([_language(part, inside) for part in node.parsers])
        case Repetition():
            return languages.repeat(
                _language(node.element, inside), node.repeat.min, node.repeat.max
            )
        case Literal(value=(low, high)):
            return languages.chars([(ord(low), ord(high))])
        case Literal(value=str(value), case_sensitive=True):
            return languages.text(value)
        case Literal(value=str(value)):
            # RFC 5234 section 2.3: letters in quotes stand for both cases.
            return languages.concatenation(
                [languages.chars({(ord(c.lower()),) * 2, (ord(c.upper()),) * 2}) for c in value]
            )
    raise ValueError(f"cannot read {node} of a grammar")
