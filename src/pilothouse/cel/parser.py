"""Tokens to a tree, by recursive descent. Macros are expanded on the way.

- Syntax errors are ANTLR's words as far as it says the same of every such text; the first one ends parsing (cel-go tries to go on).
- Limits of cel-go: 100,000 code points, a nesting of 250. A tree is never deeper than that, so that whoever walks it may recurse.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping
from typing import Any

from pilothouse.cel import lexer, literals
from pilothouse.cel.declarations import Macro, MacroError
from pilothouse.cel.errors import CompileError, Issue
from pilothouse.cel.lexer import END, Token
from pilothouse.cel.macros import Factory
from pilothouse.cel.syntax import Call, Entry, Expression, Identifier, ListLiteral, Literal, MapLiteral, Select, StructLiteral
from pilothouse.cel.tokens import LEVELS, OPERAND_KINDS, ParsingEnded, TokenReader

LONGEST_EXPRESSION = 100_000
DEEPEST = 250
MOST_NODES = 100_000
"""Nodes of a tree; cel-go has no such limit, though `optMap` copies what it stands on, so that a chain of them grows exponentially."""
RESERVED = frozenset(
    (
        *("as", "break", "const", "continue", "else", "false", "for", "function", "if", "import", "in", "let", "loop", "package"),
        *("namespace", "null", "return", "true", "var", "void", "while"),
    )
)
_LOGIC = {"||": ("_||_", 1), "&&": ("_&&_", 2)}
_OPERATORS = {sign: f"_{sign}_" for sign in LEVELS} | {"in": "@in"}
_CONSTANTS = {"true": True, "false": False, "null": None}
_BEGIN = ("'['", "'{'", "'('", "'.'", "'-'", "'!'", "'true'", "'false'", "'null'")
_BEGIN_WORDS = ("NUM_FLOAT", "NUM_INT", "NUM_UINT", "STRING", "BYTES", "IDENTIFIER")
_ORDER = ("'['", "']'", "'{'", "'}'", "'('", "')'", "'.'", "','", "'-'", "'!'", "'?'", "'true'", "'false'", "'null'", *_BEGIN_WORDS)


def _expected(*more: str) -> str:
    """The set that ANTLR prints where an operand or one of `more` may stand."""
    return "{" + ", ".join(name for name in _ORDER if name in _BEGIN or name in _BEGIN_WORDS or name in more) + "}"


_OPERAND = _expected()
_ARGUMENT, _INDEX, _ELEMENT, _ENTRY = _expected("')'"), _expected("'?'"), _expected("']'", "','", "'?'"), _expected("'}'", "','", "'?'")
_FIELD_KINDS = (lexer.IDENTIFIER, lexer.ESCAPED)
_NAMES = "{IDENTIFIER, ESC_IDENTIFIER}"
_FIELD = "{'}', ',', '?', IDENTIFIER, ESC_IDENTIFIER}"

Macros = Mapping[tuple[str, int, bool], Macro]
"""Macros by name, number of arguments (-1 for any) and whether they have a target."""


def parse(text: str, macros: Macros, *, optional_syntax: bool = True) -> Expression:
    """The tree of an expression, or CompileError with everything that is wrong with its form."""
    if len(text) > LONGEST_EXPRESSION:
        message = f"expression code point size exceeds limit: size: {len(text)}, limit {LONGEST_EXPRESSION}"
        raise CompileError(text, [Issue(-1, -1, message)])
    parser = _Parser(text, macros, optional_syntax)
    tree = parser.complete_expression()
    if tree is None or parser.issues:
        raise CompileError(text, parser.issues)
    return tree


class _Parser(TokenReader):
    """Recursive descent over the tokens of one expression."""

    def __init__(self, text: str, macros: Macros, optional_syntax: bool) -> None:
        super().__init__(text)
        self._macros = macros
        self._optional_syntax = optional_syntax
        self._id = 0
        self._depth = 0
        self._chain = 0

    def new_id(self) -> int:
        """The next number of a node."""
        self._id += 1
        if self._id > MOST_NODES:
            self.issues.append(Issue(-1, -1, f"expression node limit exceeded: {MOST_NODES}"))
            raise ParsingEnded
        return self._id

    def complete_expression(self) -> Expression | None:
        """The expression, up to the end of the text."""
        try:
            tree = self._expression()
            self._match(END, "<EOF>")
        except ParsingEnded:
            return None
        return tree

    def _nested(self) -> None:
        """Count an expression within an expression."""
        self._depth += 1
        if self._depth > DEEPEST:
            self.issues.append(Issue(-1, -1, f"expression recursion limit exceeded: {DEEPEST}"))
            raise ParsingEnded

    def _chained(self) -> None:
        """Count an operator or a selection on what is before it."""
        self._chain += 1
        if self._chain > DEEPEST:
            self.issues.append(Issue(-1, -1, "max recursion depth exceeded"))
            raise ParsingEnded

    def _expression(self, expecting: str = _OPERAND) -> Expression:
        self._nested()
        self._begin_operand(expecting)
        condition = self._operation(1)
        if self._kind == "?":
            operator = self._advance()
            self._begin_operand(_OPERAND)
            then = self._operation(1)
            self._match(":")
            otherwise = self._expression()
            condition = Call(self.new_id(), operator.offset, "_?_:_", None, [condition, then, otherwise])
        self._depth -= 1
        return condition

    def _operation(self, least: int) -> Expression:
        left = self._unary()
        chained = 0
        while (level := LEVELS.get(self._kind, 0)) >= least:
            if self._kind in _LOGIC:
                left = self._logic(left, *_LOGIC[self._kind])
                continue
            operator = self._advance()
            chained += 1
            self._chained()
            self._begin_operand(_OPERAND)
            right = self._operation(level + 1)
            left = Call(self.new_id(), operator.offset, _OPERATORS[operator.kind], None, [left, right])
        self._chain -= chained
        return left

    def _logic(self, first: Expression, function: str, level: int) -> Expression:
        """A chain of && or ||, balanced as cel-go balances it: the order of evaluation and the costs follow from that."""
        terms, operators = [first], []
        sign = self._kind
        while self._kind == sign:
            operators.append(self._advance().offset)
            self._begin_operand(_OPERAND)
            terms.append(self._operation(level + 1))
        return self._balanced(function, terms, operators, 0, len(operators) - 1)

    def _balanced(self, function: str, terms: list[Expression], operators: list[int], low: int, high: int) -> Expression:
        middle = (low + high + 1) // 2
        left = terms[middle] if middle == low else self._balanced(function, terms, operators, low, middle - 1)
        right = terms[middle + 1] if middle == high else self._balanced(function, terms, operators, middle + 1, high)
        return Call(self.new_id(), operators[middle], function, None, [left, right])

    def _unary(self) -> Expression:
        sign = self._kind
        if sign not in ("!", "-") or (sign == "-" and self._negative_number()):
            return self._member()
        first = self._advance()
        count = 1
        while self._accept(sign):
            count += 1
        if self._kind not in OPERAND_KINDS:
            self._after_sign(first)
        operand = self._member()
        if count % 2 == 0:
            return operand
        return self._call(first.offset, "!_" if sign == "!" else "-_", None, [operand])

    def _after_sign(self, sign: Token) -> None:
        """Complain of what is no operand behind `!` or `-`; a single such token is left out."""
        if sign.kind == "-":
            raise self._no_alternative(sign)
        self._complain("extraneous", _OPERAND)
        if self._kind == END or self._tokens[self._next + 1].kind not in OPERAND_KINDS:
            raise ParsingEnded
        self._next += 1

    def _negative_number(self) -> bool:
        return self._tokens[self._next + 1].kind in (lexer.NUM_INT, lexer.NUM_FLOAT)

    def _member(self) -> Expression:
        operand = self._primary()
        chained = 0
        while self._kind in (".", "["):
            chained += 1
            self._chained()
            operand = self._selection(operand) if self._kind == "." else self._index(operand)
        self._chain -= chained
        return operand

    def _selection(self, operand: Expression) -> Expression:
        dot = self._advance()
        optional = self._accept("?")
        if optional and not self._optional_syntax:
            self.report(dot.offset, "unsupported syntax '.?'")
        name, offset = self._field_name(dot, optional)
        if not optional and self._kind == "(" and self._tokens[self._next - 1].kind == lexer.IDENTIFIER:
            opening = self._advance()
            return self._call(opening.offset, name, operand, self._arguments())
        if optional:
            field = Literal(self.new_id(), offset, name)
            return Call(self.new_id(), dot.offset, "_?._", None, [operand, field])
        return Select(self.new_id(), dot.offset, operand, name)

    def _field_name(self, dot: Token | None, optional: bool) -> tuple[str, int]:
        token = self._tokens[self._next]
        if token.kind not in _FIELD_KINDS:
            if dot is not None and not optional:
                if token.kind in _CONSTANTS:
                    raise self._fail(lexer.IDENTIFIER)
                raise self._no_alternative(dot)
            following = self._tokens[min(self._next + 1, len(self._tokens) - 1)]
            if following.kind not in _FIELD_KINDS:
                raise self._fail(_NAMES)
            self._complain("extraneous", _NAMES)
            self._next += 1
            token = following
        self._next += 1
        return token.text[1:-1] if token.kind == lexer.ESCAPED else token.text, token.offset

    def _index(self, operand: Expression) -> Expression:
        bracket = self._advance()
        optional = self._accept("?")
        if optional and not self._optional_syntax:
            self.report(bracket.offset, "unsupported syntax '[?'")
        index = self._enclosed("]", _INDEX)
        return Call(self.new_id(), bracket.offset, "_[?_]" if optional else "_[_]", None, [operand, index])

    def _enclosed(self, closing: str, expecting: str = "") -> Expression:
        """An expression and the bracket that closes it."""
        self._open.append(closing)
        inner = self._expression(expecting or _OPERAND)
        self._match(closing)
        self._open.pop()
        return inner

    def _arguments(self) -> list[Expression]:
        if self._kind != ")":
            self._begin_operand(_ARGUMENT)
        if self._accept(")"):
            return []
        self._open.append(")")
        arguments = [self._expression()]
        while self._accept(","):
            arguments.append(self._expression())
        self._match(")")
        self._open.pop()
        return arguments

    def _call(self, offset: int, name: str, target: Expression | None, arguments: list[Expression]) -> Expression:
        macro = self._macros.get((name, len(arguments), target is not None)) or self._macros.get((name, -1, target is not None))
        if macro is not None:
            try:
                expanded = macro.expand(Factory(self.new_id, offset), target, arguments)
            except MacroError as problem:
                self.report(problem.at.offset, problem.message)
                return Literal(self.new_id(), offset, None)
            if expanded is not None:
                return expanded
        return Call(self.new_id(), offset, name, target, arguments)

    def _primary(self) -> Expression:
        make = _PRIMARIES.get(self._kind)
        if make is None:
            raise self._fail(_OPERAND)
        return make(self)

    def _begin_operand(self, expecting: str) -> None:
        """Leave out a token where an operand must begin, if one begins after it; otherwise parsing ends."""
        if self._kind not in OPERAND_KINDS:
            after = self._tokens[min(self._next + 1, len(self._tokens) - 1)].kind
            if self._kind == END or (after not in OPERAND_KINDS and f"'{after}'" not in expecting):
                raise self._fail(expecting)
            self._complain("extraneous", expecting)
            self._next += 1

    def _parentheses(self) -> Expression:
        self._advance()
        return self._enclosed(")")

    def _constant(self) -> Expression:
        token = self._advance()
        return Literal(self.new_id(), token.offset, _CONSTANTS[token.kind])

    def _literal(self) -> Expression:
        start = self._tokens[self._next]
        negative = self._accept("-")
        token = self._advance()
        value: Any = None
        try:
            if token.kind == lexer.STRING:
                value = literals.text(token.text)
            elif token.kind == lexer.BYTES:
                value = literals.octets(token.text)
            elif token.kind == lexer.NUM_UINT:
                value = literals.unsigned(token.text)
            else:
                value = (literals.integer if token.kind == lexer.NUM_INT else literals.double)(token.text, negative)
        except literals.LiteralError as error:
            self.report(start.offset, str(error))
        return Literal(self.new_id(), start.offset, value)

    def _name(self) -> Expression:
        start = self._tokens[self._next]
        dot = "." if self._accept(".") else ""
        if self._kind != lexer.IDENTIFIER:
            raise self._fail(lexer.IDENTIFIER) if self._kind in _CONSTANTS else self._no_alternative(start)
        token = self._advance()
        if self._begins_struct():
            return self._struct(dot + token.text)
        if token.text in RESERVED:
            self.report(start.offset, f"reserved identifier: {token.text}")
        if self._kind == "(":
            opening = self._advance()
            return self._call(opening.offset, dot + token.text, None, self._arguments())
        return Identifier(self.new_id(), token.offset, dot + token.text)

    def _begins_struct(self) -> bool:
        """Whether what follows a name is `.b.c{`: names, dots and a brace."""
        at = self._next
        while self._tokens[at].kind == "." and self._tokens[at + 1].kind == lexer.IDENTIFIER:
            at += 2
        return self._tokens[at].kind == "{"

    def _struct(self, name: str) -> Expression:
        while self._accept("."):
            name += "." + self._advance().text
        brace = self._advance()
        entries: list[Entry] = []
        for optional in self._items("}", _FIELD, _FIELD_KINDS):
            field, _ = self._field_name(None, False)
            colon = self._match(":")
            entries.append(Entry(self.new_id(), colon.offset, field, self._expression(), optional))
        return StructLiteral(self.new_id(), brace.offset, name, entries)

    def _list(self) -> Expression:
        bracket = self._advance()
        elements: list[Expression] = []
        optional: set[int] = set()
        for is_optional in self._items("]", _ELEMENT, OPERAND_KINDS):
            if is_optional:
                optional.add(len(elements))
            elements.append(self._expression())
        return ListLiteral(self.new_id(), bracket.offset, elements, frozenset(optional))

    def _map(self) -> Expression:
        brace = self._advance()
        entries: list[Entry] = []
        for optional in self._items("}", _ENTRY, OPERAND_KINDS):
            key = self._expression()
            colon = self._match(":")
            entries.append(Entry(self.new_id(), colon.offset, key, self._expression(), optional))
        return MapLiteral(self.new_id(), brace.offset, entries)

    def _items(self, closing: str, expecting: str, begin: Container[str]) -> Iterator[bool]:
        """Once for each item up to the closing bracket, whether a question mark is before it; the caller reads the item."""
        self._open.append(closing)
        if self._kind not in (closing, ",", "?") and self._kind not in begin:
            following = self._tokens[min(self._next + 1, len(self._tokens) - 1)].kind
            if following not in (closing, ",", "?") and following not in begin:
                raise self._fail(expecting)
            self._complain("extraneous", expecting)
            self._next += 1
        while self._kind == "?" or self._kind in begin:
            yield self._optional_mark()
            if not self._accept(","):
                self._end_of_items(closing)
                break
        else:
            self._accept(",")
        self._match(closing)
        self._open.pop()

    def _end_of_items(self, closing: str) -> None:
        if self._kind != closing:
            wanted = f"{{'{closing}', ','}}"
            if self._tokens[min(self._next + 1, len(self._tokens) - 1)].kind not in (closing, ","):
                raise self._fail(wanted)
            self._complain("extraneous", wanted)
            self._next += 1

    def _optional_mark(self) -> bool:
        at = self._tokens[self._next].offset
        optional = self._accept("?")
        if optional and not self._optional_syntax:
            self.report(at, "unsupported syntax '?'")
        return optional


_PRIMARIES: dict[str, Callable[[_Parser], Expression]] = {
    **dict.fromkeys(_CONSTANTS, _Parser._constant),
    **dict.fromkeys((lexer.STRING, lexer.BYTES, lexer.NUM_INT, lexer.NUM_UINT, lexer.NUM_FLOAT, "-"), _Parser._literal),
    **dict.fromkeys((lexer.IDENTIFIER, "."), _Parser._name),
    **{"(": _Parser._parentheses, "[": _Parser._list, "{": _Parser._map},
}
